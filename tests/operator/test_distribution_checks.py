"""Checks of the distributions of a bucket, and of calls that fail."""

from invalidator.connection.findings import Failure, Finding, are_well, failed_check
from invalidator.model import Behavior, DistributionId, ErrorPage, Origin, Site, UrlPath
from invalidator.operator.distribution_checks import check_distributions, check_error_pages, check_tildes
from invalidator.urls.viewers import View

E1, E2 = DistributionId("E1"), DistributionId("E2")
HERE, ELSEWHERE = (Site((Behavior("*", (Origin(bucket),)),)) for bucket in ("origin", "other"))


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_at_least_one_distribution_has_to_serve_the_bucket() -> None:
    assert only(check_distributions("origin", {E1: HERE}, [], [])).verdict == "ok"
    assert [item.verdict for item in check_distributions("origin", {E1: HERE, E2: ELSEWHERE}, [], [])] == [
        "ok",
        "unknown",
    ]
    nobody = only(check_distributions("origin", {E2: ELSEWHERE}, [], []))
    assert nobody.verdict == "wrong"
    assert '[{"id": "E2", "bucket": "origin"}]' in nobody.todo
    assert (
        "E8 and E9 of this account do: add E8 and E9"
        in only(check_distributions("origin", {E2: ELSEWHERE}, [], ["E8", "E9"])).todo
    )
    assert only(check_distributions("origin", {}, [E1], [])).verdict == "unknown"
    assert only(check_distributions("origin", {}, [], [])).verdict == "wrong"


def test_who_serves_the_bucket_and_is_not_configured_has_stale_viewers() -> None:
    _, finding = check_distributions("origin", {E1: HERE}, [], ["E9"])
    assert (finding.verdict, finding.text) == (
        "wrong",
        "E9 serves bucket origin and is not configured: viewers there keep seeing old objects",
    )


def test_an_error_page_of_the_bucket_that_is_kept_for_long_is_told() -> None:
    def found(page: str, seconds: int, *origins: Origin, clear: bool = True, exclude: str = "-") -> list[Finding]:
        site = Site((Behavior("*", origins),), "index.html", error_pages=(ErrorPage(UrlPath(page), seconds),))
        return list(check_error_pages("origin", {E1: site}, View(exclude=(exclude,), error_pages=clear)))

    finding = only(found("/a%20b.html", 86_400, Origin("origin", "/prod")))
    assert (finding.check, finding.verdict) == ("error pages", "ok")
    assert finding.text.startswith("E1 keeps its error page /a%20b.html for 86,400 s under each URL that failed")
    assert only(found("/index.html", 61, Origin("origin"), clear=False)).verdict == "unknown"
    assert only(found("/", 61, Origin("origin"))).verdict == "ok"
    assert found("/index.html", 61, Origin("origin"), exclude="*.html") == []
    assert found("/index.html", 60, Origin("origin")) == found("/index.html", 61, Origin("other")) == []


def test_keys_with_a_tilde_are_told() -> None:
    keys = ["a", "~b", "c~"]
    unknown, ok = (only(list(check_tildes("origin", keys, View(tilde_wildcards=on)))) for on in (False, True))
    assert (unknown.verdict, ok.verdict) == ("unknown", "ok")
    assert unknown.text.startswith("2 keys in bucket origin with a tilde, as '~b'")
    assert "TILDES=wildcard" in unknown.todo
    assert list(check_tildes("origin", ["a"], View())) == []
    assert list(check_tildes("origin", keys, View(exclude=("*~*",)))) == []


def test_a_check_that_cannot_be_made_is_not_well() -> None:
    denied = failed_check("queue policy", "queue q", Failure("GetQueueAttributes", "AccessDenied", "no"))
    assert denied == Finding(
        "queue policy",
        "wrong",
        "queue q: no",
        "grant sqs:GetQueueAttributes on queue q to the identity that made the call",
    )
    assert not are_well([failed_check("bucket", "bucket b", Failure("", "", "Could not connect"))])
