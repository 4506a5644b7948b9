"""The trouble of a world, and the deployment of the function in it."""

from dataclasses import dataclass
from random import Random

from invalidator.model import EXACT, Allowance


@dataclass(frozen=True)
class Weather:
    """Probabilities of trouble for each call, delivery or invocation; ``broken`` for each distribution."""

    unavailable: float = 0.0  # CloudFront: 5xx before or after it accepted
    hangs: float = 0.0  # CloudFront: accepted, but no answer
    not_stored: float = 0.0  # SQS: 5xx of SendMessage before or after it stored
    twice: float = 0.0  # SQS: delivered again while it is being handled
    notified_twice: float = 0.0  # S3: the same notification again
    late: float = 0.0  # S3: minutes late
    split: float = 0.0  # Lambda: receives fewer messages than it could
    spread: float = 0.0  # SQS: gives a random part of more than ten messages
    not_started: float = 0.0  # Lambda: received, but not invoked
    crash: float = 0.0  # Lambda: crashes during the invocation
    short: float = 0.0  # Lambda: has little time
    broken: float = 0.0  # CloudFront: a distribution is deleted or forbidden for a while
    bad_paths: int = 0  # objects of each deploy with paths that CloudFront refuses
    unlisted: float = 0.0  # S3: a page of a listing is forbidden, throttled, or never comes
    cold: float = 1.0  # Lambda: an invocation has a new process
    cut: float = 0.0  # Lambda: killed when everything is done, and nothing acknowledged yet
    stepped: float = 0.0  # Lambda: the clock steps during an invocation
    undescribed: float = 0.0  # CloudFront: a distribution, a policy or the list cannot be read for a while
    expired: float = 0.0  # CloudFront: the credentials have expired for a while
    invalid: float = 0.0  # CloudFront: a distribution takes no path at all for a while
    unstored: float = 0.0  # SQS: nothing is stored for a while, or nothing large
    crowded: float = 0.0  # other tools: they occupy some of the quotas of a distribution
    removed: float = 0.0  # settings: a distribution is no longer named


CALM = Weather()


def weather_of(rng: Random) -> Weather:
    """Draw the weather. At least half of the worlds are without each kind of trouble, so that combinations occur."""

    def up_to(most: float, share: float = 0.5) -> float:
        return rng.uniform(0, most) if rng.random() < share else 0.0

    return Weather(
        unavailable=up_to(0.3),
        hangs=up_to(0.1),
        not_stored=up_to(0.3),
        twice=up_to(0.1),
        notified_twice=up_to(0.2),
        late=up_to(0.1),
        split=up_to(0.5),
        not_started=up_to(0.1),
        crash=up_to(0.2),
        short=up_to(0.3),
        broken=up_to(0.6),
        bad_paths=rng.choice([0, 0, 0, 1, 3]),
        cold=rng.choice([0.0, 0.1, 0.5, 1.0]),
        cut=up_to(0.2, 0.3),
        stepped=up_to(0.2, 0.2),
        undescribed=up_to(1.0, 0.3),
        expired=up_to(1.0, 0.1),
        invalid=up_to(0.5, 0.1),
        unstored=up_to(1.0, 0.1),
        crowded=up_to(1.0, 0.2),
        removed=up_to(0.8, 0.2),
    )


def prompt_weather(rng: Random) -> Weather:
    """Draw the weather of a world in which everything has to be accepted within minutes."""
    return Weather(twice=rng.choice([0.0, 0.05]), split=rng.choice([0.0, 0.3]), cold=rng.choice([0.0, 0.5, 1.0]))


def weather_of_crowd(weather: Weather) -> Weather:
    """Return the part of a weather that makes a thousand distributions hard to describe: that is enough for hours."""
    return Weather(
        unavailable=weather.unavailable,
        hangs=weather.hangs,
        undescribed=weather.undescribed,
        short=weather.short,
        split=weather.split,
        cold=weather.cold,
    )


def widening_of(rng: Random) -> tuple[Allowance, float]:
    """Draw the allowance of a plan and the share of failing pages. In two of three worlds nothing is widened."""
    if rng.random() < 2 / 3:
        return EXACT, 0.0
    return Allowance(rng.choice([1, 3, 10, 40, 3_000])), rng.choice([0.0, 0.0, 0.02, 0.3])


@dataclass(frozen=True)
class Deployment:
    """The numbers of the deployment. A test compares the defaults with serverless.yml.

    The ``allowance`` of a plan is drawn unless it is given, and so is whether bursts are gathered.
    """

    window: float = 2.0
    batch_size: int = 4_000
    concurrency: int = 2
    timeout: float = 120.0
    visibility: float = 722.0
    receives: int = 5
    gather: int = 300
    allowance: Allowance | None = None
