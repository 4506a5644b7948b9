"""``prove``: try on a live distribution that viewers get new objects."""

import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Final
from urllib.parse import unquote, urlsplit

import typer

from invalidator.cli import options
from invalidator.cli.create_report import why_refused
from invalidator.cli.lookups import distributions_described, distributions_serving
from invalidator.cli.options import option
from invalidator.cli.prove_view import narrate_left, price, show_proof
from invalidator.cli.session import errors_explained, interruptible, undisturbed
from invalidator.cli.targets import origin_bucket, settings_meant
from invalidator.cli.terminal import narrate, states_shown, warn
from invalidator.delivery.carry_out import TimeLeft, carry_out
from invalidator.distributions.describe import items_of
from invalidator.errors import CdnError, ConfigurationError, UnconfiguredError
from invalidator.model import Distribution, Plan
from invalidator.operator import edge
from invalidator.operator.invalidations import SentSince
from invalidator.operator.probe_objects import ProbeObjects, WrittenProbe
from invalidator.operator.probes import QUESTIONS, ProbeLayout, lay_out
from invalidator.operator.prove import ProofWorld, try_probes
from invalidator.runtime import clients
from invalidator.settings.environment import Settings
from invalidator.wording import names
from invalidator.workers import Threads

_STACK_SECONDS: Final = 120
"""For the events of S3, a batch window and an invocation, on top of the time for which a stack gathers changes."""
_EVENTS: Final = 3
"""The times at which a stack hears of each probe: when it is uploaded, overwritten and removed."""

_Url = Annotated[
    str,
    option(
        "--url", "The URL of the distribution or, if it serves the bucket only under a path, of that path.", "https://…"
    ),
]
_Timeout = Annotated[
    int, option("--timeout", "Look for at most this many seconds; then remove the probes.", "SECONDS", min=1)
]


@options.in_account
def prove(
    *,
    url: _Url,
    bucket: options.OriginBucket = None,
    distribution_id: options.DistributionIds,
    timeout: _Timeout = 600,
    yes: Annotated[bool, option("--yes", "Do not ask whether the price is all right.")] = False,
    as_json: options.Json = False,
) -> None:
    """Prove on your own distribution that viewers get new objects: upload probes, overwrite them, and look.

    The probes are small objects with awkward names, in a folder of their own, which are removed whatever happens. It
    fills the cache of the edge nearest to you, and says for each URL, as viewers may spell it, after how many seconds
    the edge has the new object. If the settings are those of a stack (QUEUE_URL), it waits for that to invalidate; if
    nothing comes of it, and without a stack, it sends a plan of its own. Where AWS's documentation leaves something
    open, it sends further invalidations to find out. The tables name neither your bucket nor your host.

    Fails if viewers keep the old object at any URL, if the edge has cached no probe, if the stack does nothing, or if
    CloudFront lists no invalidation of the probes.

    Example: invalidator prove --bucket my-origin --url https://d111111abcdef8.cloudfront.net
    """
    with interruptible(lambda: narrate("Stopped.")), errors_explained():
        origin = origin_bucket(bucket)
        url = edge.check_url(url)
        settings = settings_meant(distribution_id, bucket)
        layout = _layout(settings, origin, url)
        edge.ask(url)
        _agree(price(_most_paths(layout, settings)), yes=yes)
        end = time.monotonic() + timeout
        with _removing(origin, layout.base) as (objects, left), states_shown() as tell:
            world = _world(layout, objects, url, lambda: end - time.monotonic(), tell)
            patience = _STACK_SECONDS + settings.gather if _has_stack(settings) else 0
            proof = try_probes(layout, world, patience)
        show_proof(proof, as_json=as_json)
    if left or not proof.is_good:
        raise typer.Exit(1)


def _has_stack(settings: Settings) -> bool:
    return bool(settings.queue_url or settings.stack)


def _layout(settings: Settings, bucket: str, url: str) -> ProbeLayout:
    """Return the layout of new probes below a URL. Raises ConfigurationError if the bucket is not served there."""
    parts = urlsplit(url)
    if parts.query:
        raise ConfigurationError("--url: leave out the query string: probes have their own")
    distribution = _distribution(settings, bucket, parts.hostname or "")
    place = unquote(parts.path).strip("/")
    folder = f"invalidator-prove-{secrets.token_hex(3)}"
    layout = lay_out(bucket, distribution, settings.view, f"{place}/" if place else "", folder)
    if layout is None:
        raise ConfigurationError(
            f"--url: {distribution.id} does not serve bucket {bucket} at {parts.path}: give a URL below which it does"
        )
    return layout


def _distribution(settings: Settings, bucket: str, host: str) -> Distribution:
    """Return the distribution behind a host, of those that serve the bucket."""
    served = distributions_serving(settings, bucket)
    if len(served) == 1:
        return served[0]
    wildcard = f"*.{host.partition('.')[2]}"
    ids = {
        summary["Id"]
        for summary in clients.cloudfront().summaries()
        if {host, wildcard} & {name.lower() for name in (summary.get("DomainName", ""), *items_of(summary, "Aliases"))}
    }
    behind = [one for one in served if one.id in ids]
    if len(behind) != 1:
        raise ConfigurationError(
            f"--distribution-id: give the one behind {host}, of {names([one.id for one in served])}"
        )
    return behind[0]


def _most_paths(layout: ProbeLayout, settings: Settings) -> int:
    """Return the most paths that a run invalidates: a stack hears of uploads, of overwritten probes and of removals."""
    own = layout.plan.cost.paths + sum(len(question.further) for question in QUESTIONS)
    if not _has_stack(settings):
        return own
    with suppress(UnconfiguredError):  # else those that are asked about
        settings = settings_meant([])
    by_stack = layout.plan_of_all(distributions_described(settings, {layout.bucket}), settings.view)
    paths = {item.path for batch in by_stack.batches for item in batch.items}
    if not paths:
        warn(["the settings of the stack, as INCLUDE and EXCLUDE, leave the probes out"])
    if others := sorted(path for path in paths if not path.startswith(layout.root)):
        warn([f"the settings of the stack make it clear {names(others)}, too"])
    return own + by_stack.cost.paths * _EVENTS * (2 if settings.repeat_after else 1)


def _agree(text: str, *, yes: bool) -> None:
    """Tell the price, and go on only if that is all right."""
    narrate(text)
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigurationError("--yes: give it to agree to the price: there is no terminal to ask on")
    narrate("Go on? [y/N]")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        narrate("Nothing was uploaded.")
        raise typer.Exit(1)


@contextmanager
def _removing(bucket: str, prefix: str) -> Iterator[tuple[ProbeObjects, dict[WrittenProbe, str]]]:
    """Yield what writes probes, and those that are left after all were removed, whatever happens."""
    objects, left = ProbeObjects.connect(bucket, prefix), dict[WrittenProbe, str]()
    try:
        yield objects, left
    finally:
        with undisturbed():
            if objects.has_written:
                left |= objects.remove()
                narrate_left(left, bucket, prefix)


def _world(
    layout: ProbeLayout, objects: ProbeObjects, url: str, left: Callable[[], float], tell: Callable[[str], None]
) -> ProofWorld:
    host = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    account, address = clients.cloudfront(), edge.address_of(url)

    def send(plan: Plan) -> list[str]:
        outcomes = list(carry_out(plan, account, TimeLeft(left), Threads()))
        failures = [why_refused(outcome) for outcome in outcomes if outcome.error]
        if len(failures) == len(outcomes):
            raise CdnError("; ".join(failures))
        return failures

    return ProofWorld(
        put=objects.put,
        ask=lambda path: edge.ask(f"{host}{path}", address=address),
        send=send,
        sent=SentSince(account, layout.plan.batches[0].distribution),
        left=left,
        now=time.monotonic,
        pause=time.sleep,
        tell=tell,
    )
