"""``plan`` with listings, keys, budgets and curves, as a user types it; AWS is asked no more than necessary."""

import json
import os
import pty
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from invalidator.cli.plan_budget import below_curves, over_budget
from invalidator.cli.plan_inputs import Preview, changes_of_keys
from invalidator.local.embedded import embedded_aws
from invalidator.model import UNKNOWN_SITE, Allowance, Distribution, DistributionId
from invalidator.settings.environment import offline
from tests.doubles.command import COMMAND, ROOT, assert_explained, rows, run
from tests.doubles.loopback import Quiet, serving

LISTINGS = ("--before", "examples/listing-before.json", "--after", "examples/listing-after.json")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Serve AWS, refuse all requests, and record their paths."""
    paths: list[str] = []

    class Handler(Quiet):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(403)

        def do_POST(self) -> None:
            self.do_GET()

    with serving(Handler) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
        yield paths


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Fill a bucket ``origin`` with 300 objects in six directories, which two distributions serve."""
    keys = [f"posts/{year}/{number:02}.html" for year in range(2019, 2025) for number in range(50)]
    with embedded_aws() as aws:
        objects = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for key in keys:
            objects.put_object("origin", key, b"x")  # a request for each would take seconds
        monkeypatch.setenv("DISTRIBUTION_IDS", ",".join(aws.distributions))
        yield keys


def cost(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(done.stdout)["cost"]
    singly = answer.pop("path_by_path")
    assert singly["usd"] == round(singly["paths"] * 0.005, 3)
    assert singly["paths"] >= answer["paths"]
    return answer


def listing(folder: Path, name: str, *keys: str, etag: str = "1", **beside: Any) -> Path:
    file = folder / name
    file.write_text(json.dumps({"Contents": [{"Key": key, "ETag": etag, "Size": 1} for key in keys], **beside}))
    return file


# --- two listings ---------------------------------------------------------------------------------------


def test_two_listings_need_neither_settings_nor_aws(asked: list[str]) -> None:
    without = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"), "")
    done = run("plan", *LISTINGS, "--budget", "6", **without)
    assert done.returncode == 0, done.stderr
    assert ["any", "/posts/202*", "9 changed, 7 unchanged evicted"] in rows(done)
    assert len(rows(done)) == 1 + 6
    assert done.stderr.splitlines() == [
        "1 call, 6 paths, 2 of them with a wildcard: 0.03 USD if the 1,000 free paths of the month are used up;"
        " 14 unchanged objects evicted. Path by path: 17 paths, 0.085 USD.",
        "15 objects changed, 2 of them new and 1 gone; 18 unchanged. Nothing was sent.",
    ]
    assert asked == []


def test_two_listings_ask_nothing_even_where_settings_are_in_aws(asked: list[str]) -> None:
    in_aws = dict.fromkeys(("DISTRIBUTION_IDS_SECRET", "DISTRIBUTION_IDS_PARAMETER", "RULES_PARAMETER"), "cdn")
    for distributions in ((), ("--distribution-id", "E1"), ("--distribution-id", "discover")):
        done = run("plan", *LISTINGS, *distributions, "--json", **in_aws)
        assert done.returncode == 0
        named = [batch["distribution"] for batch in json.loads(done.stdout)["batches"]]
        assert named == ["E1" if "E1" in distributions else "any"]
        for name in in_aws:
            assert f"warning: {name} is not read: AWS is not asked here" in done.stderr
    assert asked == []
    assert run("plan", "--key", "a", **in_aws).returncode == 2
    assert asked  # what is asked, is seen here


def test_two_listings_take_the_settings_that_are_here(asked: list[str]) -> None:
    environ = {"DISTRIBUTION_IDS": "E1 E2 discover", "INDEX_DOCUMENT": "", "EXCLUDE": "images/*", "MAX_PATHS": "3"}
    done = run("plan", *LISTINGS, "--json", **environ)
    document = json.loads(done.stdout)
    assert [batch["distribution"] for batch in document["batches"]] == ["E1", "E2"]
    assert all(batch["cost"]["paths"] <= 3 for batch in document["batches"])
    assert document["excluded"] == 3
    assert asked == []


def test_a_listing_from_standard_input_may_be_empty_as_a_bucket_may(tmp_path: Path) -> None:
    after = listing(tmp_path, "b.json", "a", "b/index.html")
    done = run("plan", "--before", "-", "--after", after, "--json")
    assert json.loads(done.stdout)["batches"][0]["items"] == ["/*"]
    assert (
        "evicted. Path by path: 3 paths, 0.015 USD.\n2 objects changed, 2 of them new and 0 gone; 0 un" in done.stderr
    )
    done = run("plan", "--before", after, "--after", after)
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr.startswith("Nothing is stale.\n0 objects changed")


def test_what_lies_outside_of_a_listed_prefix_is_not_known(tmp_path: Path) -> None:
    files = [listing(tmp_path, f"{n}.json", "a/index.html", "a/1", etag=n, Prefix="a/") for n in "12"]
    rules = json.dumps([{"match": "index", "also": ["/start"]}])
    done = run("plan", "--before", files[0], "--after", files[1], "--budget", "1", RULES=rules)
    assert [row[1] for row in rows(done)[1:]] == ["/*"]
    assert "warning: what else is in the bucket is not known: only keys with 'a/' were listed" in done.stderr


# --- keys -----------------------------------------------------------------------------------------------


def test_keys_come_from_options_and_a_file_alike(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_bytes("é x\n\nb\n".encode())
    done = run("plan", "--key", "a", "--keys-from", file, "--distribution-id", "E1", "--json")
    assert json.loads(done.stdout)["batches"][0]["items"] == ["/%C3%A9%20x", "/%C3%A9+x", "/a", "/b"]
    for stdin in ("a\nb\nc d", "a\0b\0c d\0"):
        done = run("plan", "--keys-from", "-", "--distribution-id", "E1", "--json", stdin=stdin)
        assert json.loads(done.stdout)["batches"][0]["items"] == ["/a", "/b", "/c%20d", "/c+d"]
    again = ("--keys-from", tmp_path / "more.txt")
    again[1].write_text("c")
    done = run("plan", "--keys-from", file, *again, "--distribution-id", "E1", "--json")
    assert json.loads(done.stdout)["batches"][0]["items"] == ["/%C3%A9%20x", "/%C3%A9+x", "/b", "/c"]


def test_no_keys_are_a_mistake_and_not_a_plan_of_nothing(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text("\n")
    none = run("plan", "--keys-from", file, "--keys-from", "-", "--distribution-id", "E1")
    assert_explained(none, 2, f"--keys-from: {file}, <stdin>: no line has anything in it")
    assert run("plan", "--keys-from", file, "--key", "a", "--distribution-id", "E1").returncode == 0


def test_a_line_that_is_perhaps_no_key_is_told_of_and_taken_as_it_is() -> None:
    done = run("plan", "--keys-from", "-", "--distribution-id", "E1", "--json", stdin='"caf\\303\\251.html"\n')
    assert json.loads(done.stdout)["batches"][0]["items"] == ["/%22caf%5C303%5C251.html%22"]
    assert "warning: <stdin>: line 1: the quotes are taken for a part of the key" in done.stderr


def test_over_budget_a_bucket_is_listed_and_the_fewest_are_evicted(site: list[str]) -> None:
    stdin = "\n".join(site[:30] + site[100:101])  # of one directory most, of another one
    done = run("plan", "--keys-from", "-", "--bucket", "origin", stdin=stdin, MAX_PATHS="5")
    assert done.returncode == 0, done.stderr
    shown = [row[1:] for row in rows(done)[1:]]
    assert len(shown) == 2 * 4
    assert shown[:4] == shown[4:]
    assert shown[:3] == [[f"/posts/2019/{n}*", "10 changed, 0 unchanged evicted"] for n in range(3)]
    assert shown[3] == ["/posts/2021/00.html", "object 'posts/2021/00.html'"]
    assert "0 unchanged objects evicted." in done.stderr
    tight = run(
        "plan", "--keys-from", "-", "--bucket", "origin", "--budget", "5", "--wildcards", "1", "--json", stdin=stdin
    )
    assert cost(tight) == {"paths": 4, "wildcards": 2, "calls": 2, "usd": 0.02, "evicted": 40}
    assert "20 unchanged evicted" in json.dumps(json.loads(tight.stdout)["batches"][0]["reasons"])


def test_a_bucket_that_cannot_be_listed_is_told_of(site: list[str]) -> None:
    stdin = "\n".join(site[:30])
    unlisted = {"DISCOVER_BUCKET": "nope", "DESCRIBE": "off"}
    done = run("plan", "--keys-from", "-", "--budget", "5", stdin=stdin, **unlisted)
    assert done.returncode == 0
    assert "warning: bucket 'nope' cannot be listed: NoSuchBucket" in done.stderr
    assert "; whole directories are cleared" in done.stderr
    assert "an unknown number of unchanged objects evicted." in done.stderr
    assert rows(done)[1][1:] == ["/posts/2019/*", "30 changed, an unknown number of unchanged evicted"]


def test_without_a_bucket_the_neighbours_are_not_known(asked: list[str]) -> None:
    keys = [option for n in range(9) for option in ("--key", f"a/{n}")]
    done = run("plan", *keys, "--budget", "5", "--distribution-id", "E1")
    assert [row[1] for row in rows(done)[1:]] == ["/a/*"]
    assert "warning: what else is in the bucket is not known: name it with --bucket" in done.stderr
    assert asked == []


def test_keys_have_a_curve_only_with_their_bucket(asked: list[str], tmp_path: Path) -> None:
    for keys in (("--key", "a"), ("--key", "a", "--key", "b"), ("--keys-from", "LICENSE")):
        for option in (("--curve",), ("--plot", tmp_path / "curve.svg")):
            done = run("plan", *keys, *option, "--distribution-id", "E1", COLUMNS="200")
            assert_explained(done, 2, "--bucket: give the bucket of the keys: --curve and --plot count what else is in")
    assert asked == []


def test_a_budget_overrides_the_settings(asked: list[str]) -> None:
    strict = {"MAX_PATHS": "1"}
    assert cost(run("plan", *LISTINGS, "--json", "--wildcards", "0", **strict))["paths"] == 17
    assert cost(run("plan", *LISTINGS, "--json", **strict))["paths"] == 1
    assert cost(run("plan", *LISTINGS, "--json", "--budget", "6", **strict))["paths"] == 6


def test_a_budget_that_is_not_kept_is_told_of() -> None:
    told = "any: --budget 3 cannot be kept without wildcards: it takes 17 paths"
    for who in ("any", "E1, E2"):
        ids = {} if who == "any" else {"DISTRIBUTION_IDS": who}
        done = run("plan", *LISTINGS, "--budget", "3", "--wildcards", "0", **ids)
        assert f"warning: {told.replace('any', who)}\n" in done.stderr
    done = run("plan", *LISTINGS, "--budget", "3", "--wildcards", "0", "--curve")
    assert "← --budget" not in done.stdout
    assert f"warning: {told}\n" in done.stderr
    for kept in (("--budget", "17", "--wildcards", "0"), ("--budget", "3", "--wildcards", "1"), ("--wildcards", "0")):
        for curve in ((), ("--curve",)):
            assert "warning" not in run("plan", *LISTINGS, *kept, *curve).stderr


TAGGED = Distribution(DistributionId("E1"), replace(UNKNOWN_SITE, cache_tags=True))
RULES = json.dumps([{"match": "^t", "instead": ["#$0-1", "#$0-2", "#$0-3"]}])


@pytest.mark.parametrize("keys", [["t"], ["t", "a", "b"]])
@pytest.mark.parametrize("wildcards", [0, 1])
def test_cache_tags_beyond_a_budget_are_told_of_once(keys: list[str], wildcards: int) -> None:
    config = offline({"DISTRIBUTION_IDS": "E1", "RULES": RULES})
    for budget in (1, 2, 3, len(keys) + 2):
        config = replace(config, allowance=Allowance(budget, wildcards))
        preview = Preview(changes_of_keys(keys, "b", "plan"), [TAGGED], config, lambda *_: [])
        made = preview.plan()
        told = [*made.warnings, *over_budget(preview, made, budget)]
        assert len(told) == (made.cost.paths > budget)
        assert all("cache tags" in text for text in told)
        found = preview.curves([budget])
        assert len(below_curves(preview, found, budget)) == (found[0].points[0].paths > budget)


def test_tickets_beyond_a_budget_are_told_of() -> None:
    done = run("plan", "events/sqs-ticket.json", "--budget", "1", DISTRIBUTION_IDS="EESVZEMEETI1Q", DESCRIBE="off")
    told = "EESVZEMEETI1Q: --budget 1 cannot be kept with tickets, which are sent as they are: it takes 2 paths"
    assert f"warning: {told}\n" in done.stderr


# --- the curve ------------------------------------------------------------------------------------------


def curve_of(*arguments: str | Path) -> list[dict[str, Any]]:
    (found,) = json.loads(run("plan", *arguments, "--curve", "--json").stdout)["curves"]
    assert (found["distribution"], found["changed"], found["exact"]) == ("any", 15, {"paths": 17})
    points: list[dict[str, Any]] = found["points"]
    return points


def test_each_point_of_a_curve_is_what_its_budget_costs() -> None:
    points = curve_of(*LISTINGS)
    assert len(points) > 5
    for point in points[:-1]:  # for that of all, LOSSLESS would have to be on
        planned = cost(run("plan", *LISTINGS, "--json", "--budget", str(point["paths"])))
        assert point == {name: planned[name] for name in point}
    assert points[-1]["evicted"] == 0


def test_a_curve_is_a_table_in_which_the_budget_is_marked() -> None:
    done = run("plan", *LISTINGS, "--curve", "--budget", "8")
    head, columns, *shown = rows(done)
    assert head == ["any", "15 changed objects; 17 paths if nothing is widened"]
    assert columns == ["paths", "wildcards", "evicted", "USD"]
    points = curve_of(*LISTINGS)
    assert [row[:3] for row in shown] == [[str(point[name]) for name in list(point)[:3]] for point in points]
    assert [row[0] for row in shown if row[4:] == ["← --budget 8"]] == ["7"]


def test_distributions_with_the_same_site_have_one_curve(asked: list[str]) -> None:
    done = run("plan", *LISTINGS, "--curve", DISTRIBUTION_IDS="E1,E2")
    assert [row[0] for row in rows(done)].count("E1, E2") == 1
    document = json.loads(run("plan", *LISTINGS, "--curve", "--json", DISTRIBUTION_IDS="E1,E2").stdout)["curves"]
    assert [item["distribution"] for item in document] == ["E1", "E2"]
    assert document[0]["points"] == document[1]["points"]


def test_a_curve_of_a_bucket_takes_one_listing(site: list[str]) -> None:
    done = run("plan", "--keys-from", "-", "--bucket", "origin", "--curve", stdin="\n".join(site[:30]), LIST_PAGES="1")
    assert done.returncode == 0, done.stderr
    assert rows(done)[2][:3] == ["1", "1", "20"]
    assert rows(done)[-1][:3] == ["3", "3", "0"]


def test_tickets_are_no_part_of_a_curve() -> None:
    ids = "EESVZEMEETI1Q,EW8XZDR3UNZCW"
    done = run("plan", "events/sqs-ticket.json", "--curve", DISTRIBUTION_IDS=ids, DESCRIBE="off")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "2 tickets are left out.\nNothing else is stale.\nNothing was sent.\n"


def test_of_nothing_there_is_neither_a_curve_nor_a_chart(tmp_path: Path) -> None:
    same, file = LISTINGS[1], tmp_path / "curve.svg"
    for option in (("--curve",), ("--plot", file)):
        done = run("plan", "--before", same, "--after", same, *option)
        assert (done.returncode, done.stdout) == (0, "")
        counted, *rest = done.stderr.splitlines()[1].split(". ")
        assert done.stderr.splitlines()[0] == "Nothing is stale."
        assert counted.startswith("0 objects changed, ")
        assert rest == [*([f"{file} was not written"] if file in option else []), "Nothing was sent."]
    assert not file.exists()


# --- the chart ------------------------------------------------------------------------------------------


def test_a_curve_is_drawn_into_a_file(tmp_path: Path) -> None:
    file = tmp_path / "curve.SVG"
    done = run("plan", *LISTINGS, "--plot", file, "--budget", "8", MPLCONFIGDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert f"; 18 unchanged. {file} was written. Nothing was sent." in done.stderr
    assert "← --budget 8" in done.stdout
    assert "</svg>" in file.read_text()


def test_matplotlib_is_asked_for_only_by_whom_it_is_needed(tmp_path: Path) -> None:
    program = "import sys; sys.modules['matplotlib'] = None; from invalidator.__main__ import main; main()"
    command = [COMMAND[0], "-c", program, "plan", *LISTINGS, "--curve"]
    for options, status in (([], 0), (["--plot", str(tmp_path / "a.svg")], 2)):
        done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == status
    assert_explained(done, 2, "error: --plot needs the extra 'plot': install 'invalidator[plot]', or '.[plot]'")


# --- wrong usage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--keys-from", "-", "--keys-from", "-"), "--keys-from: only one of them can be standard input"),
        (("--before", "LICENSE", "--after", "LICENSE"), "error: LICENSE is not JSON"),
        (
            ("--before", "events/s3-put.json", *LISTINGS[2:]),
            "events/s3-put.json: it has no Contents; expected the output of aws",
        ),
        (("--before", "no-such-file.json", *LISTINGS[2:]), "no-such-file.json"),
        ((*LISTINGS, "--bucket", "s3://origin"), "--bucket: 's3://origin' is not the name"),
        ((*LISTINGS, "--distribution-id", "a.b"), "--distribution-id: 'a.b' is not a distribution id"),
        ((*LISTINGS, "--budget", "0"), "'--budget'"),
        ((*LISTINGS, "--budget", "1000001"), "'--budget'"),
        ((*LISTINGS, "--wildcards", "16"), "'--wildcards'"),
        ((*LISTINGS, "--plot", "curve.jpg"), "--plot: give a file whose name ends in .svg, .png, .pdf"),
        ((*LISTINGS, "--plot", "no-such-directory/curve.svg"), "--plot: no-such-directory/curve.svg cannot be written"),
    ],
)
def test_wrong_usage_of_plan_is_explained(arguments: tuple[str, ...], words: str) -> None:
    assert_explained(run("plan", *arguments, COLUMNS="200"), 2, words)


def test_a_listing_that_is_not_text_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"\xff\xfe")
    assert_explained(run("plan", "--before", file, "--after", file), 2, "is not text")
    assert_explained(run("plan", "--keys-from", file, "--distribution-id", "E1"), 2, "line 1 is not UTF-8")


# --- the terminal ---------------------------------------------------------------------------------------


def test_what_is_wide_stands_out_on_a_terminal_only() -> None:
    arguments = [*COMMAND, "plan", *LISTINGS, "--budget", "6"]
    ours, theirs = pty.openpty()
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(arguments, cwd=ROOT, env=environ, stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
        process.wait()
    os.close(ours)
    assert re.search(rb"\x1b\[33m/posts/202\*", shown)
    assert "\x1b" not in run("plan", *LISTINGS, "--budget", "6").stdout


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other end was closed
        return b""
