"""``create`` as a user types it, in a process of its own, against the strict CloudFront."""

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from invalidator.by_hand import batches_of
from invalidator.cli.create_report import Report, tell_interrupted, why_refused
from invalidator.cli.session import interruptible, undisturbed
from invalidator.errors import OutOfTimeError, UnavailableError
from invalidator.model import DistributionId, Outcome, Plan
from tests.doubles.cloudfront import DENIED, THROTTLED, UNAVAILABLE, StrictCloudFront
from tests.doubles.command import COMMAND, ROOT, assert_explained, run, start
from tests.doubles.configurations import behavior as default
from tests.doubles.configurations import configuration, of_buckets, with_oac


@pytest.fixture
def cloudfront(cloudfront: StrictCloudFront) -> StrictCloudFront:
    """Let the distributions serve one bucket."""
    cloudfront.configs = {"E1": of_buckets("origin"), "E2": of_buckets("origin")}
    return cloudfront


def document(*arguments: str | Path, status: int = 0, **environ: str) -> Any:
    done = run("create", *arguments, "--json", **environ)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


# --- what is sent ---------------------------------------------------------------------------------------


def test_paths_are_sent_as_written_and_encoded_where_necessary(cloudfront: StrictCloudFront) -> None:
    done = run("create", "--paths", "/*", "--paths", "/blog/ü~x", "/a%20b", "/?q=1", "#product:42")
    assert done.returncode == 0, done.stderr
    for id_ in ("E1", "E2"):
        assert cloudfront.paths(id_) == ["#product:42", "/*", "/?q=1", "/a%20b", "/blog/%C3%BC%7Ex"]
    first, second = sorted(done.stdout.splitlines())
    assert first.startswith("E1  invalidation I")
    assert second.startswith("E2  invalidation I")
    assert done.stderr == "2 invalidations of 10 paths accepted.\n"


def test_a_key_clears_all_urls_of_its_object(cloudfront: StrictCloudFront) -> None:
    assert (
        run("create", "--key", "blog/index.html", "--key", "red flower~.jpg", "--distribution-id", "E1").returncode == 0
    )
    assert cloudfront.paths("E1") == ["/blog/", "/blog/index.html", "/red%20flower%7E.jpg", "/red+flower%7E.jpg"]
    assert cloudfront.paths("E2") == []


def test_keys_and_paths_make_one_call_a_distribution(cloudfront: StrictCloudFront) -> None:
    assert run("create", "--key", "b", "--paths", "/a", "/b").returncode == 0
    assert (cloudfront.calls, cloudfront.paths("E1")) == (2, ["/a", "/b"])


def test_a_bucket_stands_for_the_distributions_that_serve_it(cloudfront: StrictCloudFront) -> None:
    cloudfront.distributions = []
    origin = with_oac("o", "my-origin.s3.eu-central-1.amazonaws.com", "/prod")
    cloudfront.configs = {"E8": of_buckets("other"), "E9": configuration([origin], default("o"))}
    done = run("create", "--bucket", "my-origin", "--key", "prod/a.html", "--paths", "/x")
    assert done.returncode == 0, done.stderr
    assert {item.distribution for item in cloudfront.accepted} == {"E9"}
    assert cloudfront.paths("E9") == ["/a.html", "/x"]


def test_a_key_without_a_bucket_is_in_the_one_that_is_served(cloudfront: StrictCloudFront) -> None:
    origin = with_oac("o", "my-origin.s3.eu-central-1.amazonaws.com", "/prod")
    cloudfront.configs["E2"] = configuration([origin], default("o"))
    assert run("create", "--key", "prod/a.html", "--distribution-id", "E2").returncode == 0
    assert cloudfront.paths("E2") == ["/a.html"]
    done = run("create", "--key", "prod/a.html")
    assert_explained(done, 2, "--bucket: give the bucket of the keys: the distributions serve my-origin, origin")
    cloudfront.unreadable["GetDistributionConfig"] = DENIED
    for command in ("create", "plan"):
        done = run(command, "--key", "b", "--bucket", "origin", "--distribution-id", "E1")
        assert_explained(done, 1, "error: distribution E1 cannot be described: AccessDenied")
        assert ", or set DESCRIBE=off" in done.stderr
    assert (run("create", "--key", "b", "--distribution-id", "E1", DESCRIBE="off").returncode) == 0
    assert cloudfront.paths("E1") == ["/b"]


def test_keys_that_nobody_serves_are_no_success(cloudfront: StrictCloudFront) -> None:
    done = run("create", "--key", "a", "--bucket", "other", "--distribution-id", "E1")
    assert_explained(done, 2, "error: no distribution among E1 has an origin in bucket 'other'")
    planned = run("create", "--key", "a.map", "--bucket", "origin", "--dry-run", "--json", EXCLUDE="*.map")
    assert (planned.returncode, json.loads(planned.stdout)["batches"]) == (1, [])
    done = run("create", "--key", "a.map", "--bucket", "origin", "--json", EXCLUDE="*.map")
    assert (done.returncode, json.loads(done.stdout)["invalidations"]) == (1, [])
    assert "error: nothing to send: INCLUDE and EXCLUDE leave out 1 key" in done.stderr
    assert cloudfront.calls == 0


def test_paths_alone_need_no_description_of_the_distributions(cloudfront: StrictCloudFront) -> None:
    assert run("create", "--paths", "/a").returncode == 0
    assert cloudfront.read == []


def test_files_hold_paths_or_keys(cloudfront: StrictCloudFront, tmp_path: Path) -> None:
    paths, keys = tmp_path / "paths", tmp_path / "keys"
    paths.write_text("/a\n/b c\r\n/*\n".replace("\r", ""))
    keys.write_bytes(b"d\0e f\0")
    done = run("create", "--from-file", paths, "--keys-from", keys, "--distribution-id", "E1")
    assert done.returncode == 0, done.stderr
    assert cloudfront.paths("E1") == ["/*", "/a", "/b%20c", "/d", "/e%20f", "/e+f"]
    assert run("create", "--from-file", "-", "--distribution-id", "E2", stdin="/g").returncode == 0
    assert cloudfront.paths("E2") == ["/g"]


def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(cloudfront: StrictCloudFront) -> None:
    order = ("--paths", "/*", "--key", "a", "--reference", "build 7")
    planned = document(*order, "--dry-run")
    assert cloudfront.calls == 0
    shown = run("create", *order, "--dry-run")
    assert "given as '/*'" in shown.stdout
    assert shown.stderr.endswith("Nothing was sent.\n")
    sent = document(*order)
    assert [batch["caller_reference"] for batch in planned["batches"]] == [
        item["caller_reference"] for item in sent["invalidations"]
    ]


def test_each_run_is_a_new_wish_unless_it_has_the_same_name(cloudfront: StrictCloudFront) -> None:
    for _ in range(2):
        assert run("create", "--paths", "/*", "--key", "k", "--distribution-id", "E1").returncode == 0
    assert len(cloudfront.accepted) == 2
    for _ in range(2):
        assert run("create", "--paths", "/*", "--reference", "build 7", "--distribution-id", "E1").returncode == 0
    assert len(cloudfront.accepted) == 3
    assert run("create", "--paths", "/*", "--reference", "build 8", "--distribution-id", "E1").returncode == 0
    assert len(cloudfront.accepted) == 4


def test_an_earlier_invalidation_is_sent_again_to_its_distribution_alone(cloudfront: StrictCloudFront) -> None:
    (first, _) = document("--paths", "/a b", "/*", "#t")["invalidations"]
    again = document("--again", first["id"])["invalidations"]
    assert [(item["distribution"], item["items"]) for item in again] == [("E1", first["items"])]
    assert again[0]["caller_reference"] != first["caller_reference"]
    assert cloudfront.paths("E1") == [*first["items"], *first["items"]]
    elsewhere = run("create", "--again", first["id"], "--distribution-id", "E2")
    assert_explained(elsewhere, 1, "on the 1 distribution asked: E2: NoSuchInvalidation")


# --- what comes of it -----------------------------------------------------------------------------------


def test_it_waits_until_all_edges_have_forgotten(cloudfront: StrictCloudFront) -> None:
    cloudfront.looks_to_complete = 1
    answer = document("--paths", "/*", "--wait")
    assert [0 < item["seconds"] < 60 for item in answer["invalidations"]] == [True, True]
    assert (answer["failed"], answer["not_completed"]) == ([], [])
    assert set(cloudfront.looks.values()) == {2}
    done = run("create", "--paths", "/*", "--wait")
    assert done.returncode == 0
    assert "  E1: completed after 3 s\n  E2: completed after 3 s\n" in done.stderr
    assert "2 invalidations of 2 paths accepted, 2 completed, the last after 3 s." in done.stderr


def test_what_is_not_completed_in_time_is_a_failure_and_goes_on(cloudfront: StrictCloudFront) -> None:
    cloudfront.looks_to_complete = 1_000
    done = run("create", "--paths", "/*", "--wait", "--timeout", "2", "--distribution-id", "E1")
    assert done.returncode == 1
    assert "error: E1: I0000000000001: it is still in progress" in done.stderr
    assert "status" in done.stderr
    assert len(cloudfront.accepted) == 1


def test_one_distribution_that_refuses_takes_no_other_down(cloudfront: StrictCloudFront) -> None:
    cloudfront.broken["E1"] = DENIED
    done = run("create", "--paths", "/a", "/b", "--wait")
    assert done.returncode == 1
    assert cloudfront.paths("E2") == ["/a", "/b"]
    assert "error: E1: /a and 1 more not invalidated: AccessDenied" in done.stderr
    assert "grant cloudfront:CreateInvalidation on" in done.stderr
    answer = document("--paths", "/a", status=1)
    assert [item["distribution"] for item in answer["invalidations"]] == ["E2"]
    assert [(item["distribution"], item["items"]) for item in answer["failed"]] == [("E1", ["/a"])]
    assert answer["failed"][0]["caller_reference"] in {call.reference for call in cloudfront.log}


@pytest.mark.parametrize("fault", [THROTTLED, UNAVAILABLE])
def test_what_passes_is_tried_again_under_the_same_reference(
    cloudfront: StrictCloudFront, fault: tuple[str, int]
) -> None:
    cloudfront.faults.extend([fault, None])
    assert run("create", "--paths", "/a", "--distribution-id", "E1").returncode == 0
    assert len({call.reference for call in cloudfront.log}) == 1
    assert (cloudfront.calls, len(cloudfront.accepted)) == (2, 1)


def test_an_answer_that_is_lost_is_not_billed_twice(cloudfront: StrictCloudFront) -> None:
    cloudfront.lose_answers = 1
    assert run("create", "--paths", "/a", "--distribution-id", "E1").returncode == 0
    assert len(cloudfront.accepted) == 1


def test_an_alias_is_refused_with_the_id_by_all_commands(cloudfront: StrictCloudFront) -> None:
    aliases = {"Aliases": {"Quantity": 2, "Items": ["www.example.com", "*.example.org"]}}
    cloudfront.configs = {"E3": of_buckets("origin") | aliases}
    for host in ("www.example.com", "https://a.example.org/blog/"):
        for command in (
            ("create", "--paths", "/a"),
            ("plan", "--key", "a"),
            ("explain", "a", "--bucket", "my-origin"),
            ("status",),
        ):
            done = run(*command, "--distribution-id", host)
            assert_explained(done, 2, f"error: --distribution-id: '{host}' is not a distribution id: did you mean E3?")
    cloudfront.unreadable["ListDistributions"] = DENIED
    done = run("create", "--paths", "/a", "--distribution-id", "www.example.com")
    assert_explained(done, 2, "not a domain name: 'distributions' lists the ids; for several, repeat the option)")


@pytest.mark.parametrize(
    "command",
    [
        ("create", "--keys-from", "-"),
        ("plan", "--keys-from", "-"),
        ("explain", "delete: s3://b/x", "--bucket", "my-origin"),
        ("verify", "--url", "https://a.b/x", "--key", "delete: s3://b/x", "--bucket", "my-origin"),
    ],
)
def test_the_output_of_aws_s3_is_not_taken_for_keys(cloudfront: StrictCloudFront, command: tuple[str, ...]) -> None:
    done = run(*command, stdin="delete: s3://b/x\n")
    said = "'delete: s3://b/x' is a line of what aws s3 prints, and not a key: did you mean"
    assert_explained(done, 2, f"{said} --bucket b --key 'x'?")
    assert ("sed" in done.stderr) == (command[1] == "--keys-from")
    assert cloudfront.calls == 0


def test_the_command_for_the_output_of_aws_s3_makes_keys_of_it() -> None:
    lines = [
        "upload: ./a b.html to s3://b/x/a b.html",
        "(dryrun) delete: s3://b/c",
        "move: s3://b/d to s3://b/e",
        "(dryrun) move: s3://b/f to ./g",
        "move: ./h to s3://b/i",
        "copy: s3://a/j to s3://b/k",
        "download: s3://b/l to ./m",
        "upload failed: ./n to s3://b/n An error occurred (AccessDenied)",
        "Completed 1.2 KiB/3.4 KiB (5 KiB/s) with 2 file(s) remaining",
    ]
    for line in lines[-2:]:
        assert_explained(run("plan", "--key", line, "--distribution-id", "E1"), 2, "a line of what aws s3 prints")
    told = run("plan", "--key", lines[0], "--distribution-id", "E1").stderr
    sed = re.search(r"sed -nE '(.*?)'", " ".join(told.split()))
    assert sed
    done = subprocess.run(["sed", "-nE", sed[1]], input="\n".join(lines), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["x/a b.html", "c", "d", "e", "f", "i", "k"]


def test_a_distribution_of_tenants_only_is_refused_with_the_reason(cloudfront: StrictCloudFront) -> None:
    cloudfront.configs = {"E3": of_buckets("origin") | {"ConnectionMode": "tenant-only"}}
    words = "distribution E3 cannot be invalidated: it is multi-tenant and has no viewers of its own: give the ids"
    there = ("--bucket", "origin", "--distribution-id", "E3")
    for command in (("create", "--key", "a"), ("plan", "--key", "a"), ("explain", "a")):
        done = run(*command, *there)
        assert_explained(done, 1, f"error: {words}")
        assert "DESCRIBE" not in done.stderr
    assert cloudfront.calls == 0
    done = run("create", "--paths", "/a", "--distribution-id", "E3")
    assert_explained(done, 1, "or it is multi-tenant: correct the list of distributions, or list its tenants (dt_…)")


def test_what_fails_alike_everywhere_is_said_once(cloudfront: StrictCloudFront) -> None:
    done = run("create", "--paths", "/a", "--distribution-id", "E7", "--distribution-id", "E8")
    assert_explained(done, 1, "error: E7, E8: /a not invalidated: NoSuchDistribution")
    assert done.stderr.count("NoSuchDistribution") == 1
    assert done.stderr.endswith("Nothing was accepted.\n")


def waiting(*more: str, **streams: Any) -> "subprocess.Popen[str]":
    """Begin a process that invalidates, and waits."""
    return start("create", "--paths", "/*", "--wait", "--distribution-id", "E1", *more, **streams)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_hands_a_program_what_was_accepted(cloudfront: StrictCloudFront, number: signal.Signals) -> None:
    cloudfront.looks_to_complete = 1_000
    with waiting("--json") as process:
        while not cloudfront.looks:
            pass
        process.send_signal(number)
        answer, narrated = process.communicate()
    assert process.returncode == 130
    assert [item["id"] for item in json.loads(answer)["invalidations"]] == [cloudfront.accepted[0].id]
    assert narrated.endswith("Interrupted. What was accepted goes on: 'invalidator status' shows how.\n")


def test_what_was_not_sent_before_it_was_interrupted_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan(tuple(batches_of([f"/{number}*" for number in range(20)], "--paths", [DistributionId("E1")], "1")))
    report = Report(plan, accepted=[Outcome(plan.batches[0], invalidation="I1")])
    tell_interrupted(report)
    shown = capsys.readouterr()
    assert shown.out.startswith("E1  invalidation I1  15 paths")
    assert "Interrupted. Not sent, or not answered yet: 5 paths. What was accepted goes on" in shown.err
    tell_interrupted(Report(plan))
    shown = capsys.readouterr()
    assert shown.err == "Nothing was accepted.\nInterrupted. Not sent, or not answered yet: 20 paths.\n"


def test_what_is_told_is_not_cut_by_another_interruption() -> None:
    before = signal.getsignal(signal.SIGINT)

    def interrupt() -> None:
        with interruptible(lambda: None):
            with undisturbed():
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(typer.Exit) as ended:
        interrupt()
    assert ended.value.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_what_was_accepted_is_told_even_where_nobody_reads_standard_output(
    cloudfront: StrictCloudFront, more: tuple[str, ...]
) -> None:
    read, write = os.pipe()
    os.close(read)
    with waiting("--distribution-id", "E2", *more, stdout=write) as process:
        os.close(write)
        _, narrated = process.communicate()
    assert process.returncode == 1
    assert narrated.count("error: standard output cannot be written: [Errno 32] Broken pipe. What was accepted:") == 1
    for invalidation in cloudfront.accepted:
        assert narrated.count(f"  {invalidation.distribution}  invalidation {invalidation.id}\n") == 1
    assert "2 completed" in narrated
    assert "Traceback" not in narrated


def test_where_nobody_can_read_the_narration_the_data_is_still_printed(cloudfront: StrictCloudFront) -> None:
    with Path("/dev/full").open("w") as full, waiting("--json", stderr=full) as process:
        answer, _ = process.communicate()
    assert process.returncode == 0
    assert [item["id"] for item in json.loads(answer)["invalidations"]] == [cloudfront.accepted[0].id]


def test_with_standard_output_closed_nothing_is_sent(cloudfront: StrictCloudFront) -> None:
    command = " ".join([*COMMAND, "create", "--paths", "/a", ">&-"])
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: standard output is closed\n")
    assert cloudfront.calls == 0


@pytest.mark.parametrize(("redirection", "status"), [("2>&-", 0), ("--from-file - <&-", 0)])
def test_other_streams_may_be_closed(cloudfront: StrictCloudFront, redirection: str, status: int) -> None:
    command = " ".join([*COMMAND, "create", "--paths", "/a", redirection])
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == status
    assert cloudfront.paths("E1") == ["/a"]


def test_what_there_was_no_time_for_is_told_by_the_name_of_the_option() -> None:
    (batch,) = batches_of(["/a"], "--paths", [DistributionId("E1")], "1")
    assert why_refused(Outcome(batch, error=OutOfTimeError("…"))) == "/a not sent within --timeout"
    reason = why_refused(Outcome(batch, error=UnavailableError("no answer")))
    assert reason == "/a perhaps not invalidated; 'invalidator status' shows whether it was: no answer"


def test_what_is_accepted_late_is_not_refused_as_well() -> None:
    first, other = batches_of(["/a"], "--paths", [DistributionId("E1"), DistributionId("E2")], "1")
    report = Report(Plan((first, other)))
    for outcome in (
        Outcome(first, error=UnavailableError("…")),
        Outcome(other, error=UnavailableError("…")),
        Outcome(first, "I1"),
    ):
        report.add(outcome)
    assert [outcome.batch for outcome in report.accepted] == [first]
    assert [outcome.batch for outcome in report.refused] == [other]


def test_interrupted_it_says_that_what_was_accepted_goes_on(cloudfront: StrictCloudFront) -> None:
    cloudfront.looks_to_complete = 1_000
    with waiting() as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("E1  invalidation")
        process.send_signal(signal.SIGINT)
        _, narrated = process.communicate()
    assert process.returncode == 130
    assert narrated == (
        "1 invalidation of 1 path accepted.\nInterrupted. What was accepted goes on: 'invalidator status' shows how.\n"
    )


def test_on_a_terminal_each_distribution_has_a_bar_with_its_time(cloudfront: StrictCloudFront) -> None:
    cloudfront.looks_to_complete = 1
    ours, theirs = pty.openpty()
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        [*COMMAND, "create", "--paths", "/*", "--wait"], cwd=ROOT, env=environ, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        screen = b""
        while b"the last after" not in screen:
            screen += os.read(ours, 65_536)
    os.close(ours)
    assert process.returncode == 0
    text = screen.decode()
    for id_ in ("E1", "E2"):
        last = next(line for line in reversed(text.splitlines()) if id_ in line)
        assert "━━━" in last
        assert "1/1" in last
        assert "completed" in last
        assert "0:00:0" in last


# --- mistakes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing to invalidate: give --paths, as '/*', or --key"),
        (("--paths", "blog/"), "--paths: 'blog/' does not begin with a slash: did you mean '/blog/'?"),
        (("--paths", "/a*b"), "--paths: '/a*b' has a wildcard that is not at its end: did you mean '/a*'?"),
        (("--paths", "https://a.b/c d"), "did you mean '/c d'?"),
        (
            ("--paths", "C:/Program Files/Git/blog/*"),
            "Put MSYS_NO_PATHCONV=1 in front of the command, and it is '/blog/*'",
        ),
        (("--paths", "C:/Program Files/Git/"), "and it is '/' again"),
        (("--paths", "/a /b"), "--paths: '/a /b' looks like several paths: did you mean '/a' and '/b'? (Repeat the"),
        (("--paths", "/c", "/a,/b"), "--paths: '/a,/b' looks like several paths"),
        (("--paths", '"/*"'), "did you mean '/*'?"),
        (("--paths", ""), "--paths: '' does not begin with a slash"),
        (("--paths", "/a", "x"), "--paths: 'x' does not begin with a slash"),
        (("--from-file", "LICENSE"), "--from-file: 'MIT License' does not begin with a slash"),
        (("--from-file", "/dev/null"), "--from-file: /dev/null: no line has anything in it"),
        (("--from-file", "-", "--keys-from", "-"), "only one of them can be standard input"),
        (("--paths", "/a", "--distribution-id", "e1"), "--distribution-id: 'e1' is not a distribution id"),
        (("--paths", "/a", "--distribution-id", "discover"), "--bucket: give the bucket"),
        (("--paths", "/a", "--bucket", "s3://b"), "--bucket: 's3://b' is not the name of a bucket"),
        (
            ("--paths", "/a", "--bucket", "nobodys"),
            "no distribution of this account has an origin in bucket 'nobodys': check",
        ),
        (("--key", ""), "--key: it is empty"),
        (
            ("--paths", "/a", "--distribution-id", "e1.cloudfront.net"),
            "--distribution-id: 'e1.cloudfront.net' is not a distribution id: did you mean E1?",
        ),
        (("--paths", "/a", "--distribution-id", "https://E2.CloudFront.net/a"), "did you mean E2?"),
        (("--key", "a", "--distribution-id", "www.example.com"), "not a domain name: 'distributions' lists the ids"),
        (
            ("--paths", "/a", "--distribution-id", "arn:aws:cloudfront::123456789012:distribution/E1"),
            "is an ARN and not a distribution id: give the id at its end, E1",
        ),
        (
            ("--key", "upload: ./c d.html to s3://b/x/c d.html"),
            "is a line of what aws s3 prints, and not a key: did you mean --bucket b --key 'x/c d.html'? To take the",
        ),
        (("--key", "delete: s3://b/x"), "did you mean --bucket b --key 'x'?"),
        (("--key", "(dryrun) copy: s3://a/x to s3://b/y"), "did you mean --bucket b --key 'y'?"),
        (("--key", "move: ./a to s3://b/ s3"), "did you mean --bucket b --key ' s3'?"),
        (("--key", "download: s3://b/a to ./a"), "a line of what aws s3 prints, and not a key. To take"),
        (("--key", "Completed 1.2 KiB/3.4 MiB (9 B/s) with 1 file(s) remaining"), "a line of what aws s3 prints"),
        (("--key", "Completed 1 B/1 B (9 B/s)\rupload: ./a to s3://b/a  "), "did you mean --bucket b --key 'a'?"),
        (("--key", "s3://b/c d"), "--key: 's3://b/c d' is a URL: did you mean --bucket b --key 'c d'?"),
        (("--distribution-id", "E1", "E2", "--paths", "/a"), "'E2' is no path: did you mean --distribution-id E2?"),
        (("--paths", "/a", "--distribution-id", "E1,E2"), "; for several, repeat the option)"),
        (("--paths", "/a", "--distribution-id", "C:/Program Files/Git/my/id"), "and it is '/my/id' again"),
        (
            ("--paths", "/a", "--reference", " "),
            "--reference: it is empty; without the option, each run has a name of its own",
        ),
        (("--key", "x" * 2_000), "--key: a key of 2,000 bytes"),
        (("--again", "a/b"), "--again: 'a/b' is not the id of an invalidation"),
        (
            ("--again", "I1", "--paths", "/a"),
            "--again: leave out paths and keys; those of the earlier invalidation are sent",
        ),
        (("--paths", "/a", "--timeout", "0"), "--timeout"),
    ],
)
def test_a_mistake_is_explained_and_nothing_is_sent(
    cloudfront: StrictCloudFront, arguments: tuple[str, ...], words: str
) -> None:
    assert_explained(run("create", *arguments), 2, words)
    assert cloudfront.calls == 0


def test_what_is_odd_is_sent_if_somebody_insists(cloudfront: StrictCloudFront) -> None:
    done = run("create", "--key", "/c")
    assert_explained(done, 2, "--key: '/c' begins with a slash: did you mean 'c'? (If that is the key, add --literal)")
    assert run("create", "--key", "/c", "--key", "https://a.b/c", "--literal").returncode == 0
    assert cloudfront.paths("E1") == ["//c", "/https://a.b/c"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (("ExpiredToken", 403), "ExpiredToken: on demand (the credentials have expired: renew them)"),
        (
            DENIED,
            "AccessDenied: on demand (grant cloudfront:ListDistributions on * to the identity that made the call)",
        ),
    ],
)
def test_a_failed_discovery_is_no_mistake_of_the_user(
    cloudfront: StrictCloudFront, fault: tuple[str, int], words: str
) -> None:
    cloudfront.unreadable["ListDistributions"] = fault
    done = run("create", "--paths", "/*", "--bucket", "origin")
    assert_explained(done, 1, f"error: distributions cannot be discovered: {words}")


def test_a_wildcard_that_the_shell_has_expanded_is_not_sent(cloudfront: StrictCloudFront) -> None:
    expanded = sorted(str(entry) for entry in Path("/").glob("[!.]*"))
    assert_explained(run("create", "--paths", *expanded), 2, "your shell has expanded /*: put it in quotes, as '/*'")
    assert cloudfront.calls == 0


def test_without_a_distribution_it_says_how_to_name_one() -> None:
    assert_explained(
        run("create", "--paths", "/*"),
        2,
        "error: give --distribution-id, --bucket for those that serve it, or --stack; no",
    )


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId"])
def test_credentials_that_are_not_taken_are_one_sentence(cloudfront: StrictCloudFront, code: str) -> None:
    cloudfront.broken = {"E1": (code, 403), "E2": (code, 403)}
    done = run("create", "--paths", "/*")
    assert_explained(done, 1, f"error: E1, E2: /* not invalidated: {code}: {code} on demand (the credentials")
    assert len(done.stderr.splitlines()) == 2


def test_missing_credentials_are_one_sentence(cloudfront: StrictCloudFront) -> None:
    done = run("create", "--paths", "/*", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert_explained(done, 1, "Unable to locate credentials (log in, or set AWS_PROFILE)")
    assert len(done.stderr.splitlines()) == 2


def test_a_missing_region_matters_to_parameters_alone(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert run("create", "--paths", "/*").returncode == 0
    done = run("create", "--paths", "/*", "--distribution-id", "/my/id")
    assert_explained(
        done, 2, "the AWS SDK cannot be set up: You must specify a region (set AWS_DEFAULT_REGION, or give --region"
    )
