"""What goes wrong in a world, and how often; and how the function is deployed in it."""

from dataclasses import dataclass
from random import Random

from invalidator.model import EXACT, Allowance


@dataclass(frozen=True)
class Weather:
    """Probabilities of each call, delivery or invocation; ``broken`` is that of a distribution."""

    unavailable: float = 0.0  # CloudFront: 5xx, before or after it accepted
    hangs: float = 0.0  # CloudFront: accepted, and no answer
    not_stored: float = 0.0  # SQS: 5xx of SendMessage, before or after it stored
    twice: float = 0.0  # SQS: delivered again while it is being handled
    notified_twice: float = 0.0  # S3: the same notification again
    late: float = 0.0  # S3: minutes late
    split: float = 0.0  # Lambda: gets a part of what the queue holds
    not_started: float = 0.0  # Lambda: received, and not invoked
    crash: float = 0.0  # Lambda: ends in the midst of it
    short: float = 0.0  # Lambda: has little time
    broken: float = 0.0  # a distribution: deleted or forbidden for a while
    bad_paths: int = 0  # objects of each deploy whose paths CloudFront does not take
    unlisted: float = 0.0  # S3: a page of a listing is forbidden, throttled, or does not come

    @property
    def is_calm(self) -> bool:
        """Whether nothing goes wrong."""
        return self == Weather()


CALM = Weather()


def weather_of(rng: Random) -> Weather:
    """Each kind of trouble is absent in half of the worlds, so that they are met alone and together."""

    def up_to(most: float) -> float:
        return rng.uniform(0, most) if rng.random() < 0.5 else 0.0

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
    )


def widening_of(rng: Random) -> tuple[Allowance, float]:
    """How much a plan may send, and how often a page is not listed: in two of three worlds nothing is widened."""
    if rng.random() < 2 / 3:
        return EXACT, 0.0
    lossless = rng.choice([None, None, True, False])
    allowance = Allowance(rng.choice([1, 3, 10, 40, 3_000]), rng.choice([1, 2, 15]), lossless)
    return allowance, rng.choice([0.0, 0.0, 0.02, 0.3])


@dataclass(frozen=True)
class Deployment:
    """The numbers of the deployment; the defaults are those of serverless.yml, as a test makes sure.

    The ``allowance`` of a plan is one of many, as chance has it, unless it is given.
    """

    window: float = 5.0
    batch_size: int = 4_000
    concurrency: int = 2
    timeout: float = 120.0
    visibility: float = 725.0
    receives: int = 5
    allowance: Allowance | None = None
