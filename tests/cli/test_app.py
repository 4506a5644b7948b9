"""All commands alike: mistakes, streams and extras, the version and the help."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.doubles import strategies as make
from tests.doubles.command import COMMAND, ROOT, assert_explained, run, starts_anew
from tests.doubles.strategies import Change

QUEUE = "arn:aws:sqs:us-east-1:111122223333:changes"


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "words"),
    [
        (["invoke", "-"], "{", 2, "error: <stdin> is not JSON: Expecting property name"),
        (["invoke", "no-such-file.json"], "", 2, "no-such-file.json"),
        (["invoke", "LICENSE"], "", 2, "error: LICENSE is not JSON"),
        (["invoke", "-"], "{}", 2, "error: no distribution to invalidate: set DISTRIBUTION_IDS"),
        (["invoke", "-", "--local"], '{"a": 1}', 1, "an object with 'a' is none of: an SQS record"),
        (["invoke", "-", "--local"], json.dumps(make.s3(Change("a", bucket="A"))), 2, "cannot have a bucket 'A'"),
        (
            ["plan", "--key", "a", "--distribution-id", "a_b"],
            "",
            2,
            "--distribution-id: 'a_b' is not a distribution id",
        ),
        (["plan", "--key", "a", "--distribution-id", ""], "", 2, "--distribution-id: '' is not a distribution id"),
        (["local", "--port", "99999"], "", 2, "65533"),
        (["no-such-command"], "", 2, "no-such-command"),
    ],
)
def test_a_mistake_is_explained(arguments: list[str], stdin: str, status: int, words: str) -> None:
    assert_explained(run(*arguments, stdin=stdin), status, words)


def test_missing_credentials_are_explained() -> None:
    done = run("invoke", "events/s3-put.json", DISTRIBUTION_IDS="E1", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert_explained(done, 1, "Unable to locate credentials (log in, or set AWS_PROFILE)")
    done = run("connect", "--bucket", "origin", "--queue", QUEUE, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert_explained(done, 1, "bucket 'origin': Unable to locate credentials (log in, or set AWS_PROFILE)")


def test_a_terminal_that_cannot_show_a_key_gets_its_escape() -> None:
    done = run("plan", "--key", "café", "--distribution-id", "E1", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "object 'caf\\xe9'" in done.stdout


def test_a_wrong_variable_of_the_sdk_is_explained() -> None:
    done = run("invoke", "events/s3-put.json", AWS_PROFILE="nope", DISTRIBUTION_IDS="E1")
    assert done.returncode in {1, 2}
    assert "error: the AWS SDK cannot be set up: The config profile (nope) could not be found" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_variable_of_powertools_stops_no_command() -> None:
    done = run(
        "plan", "--key", "a", "--distribution-id", "E1", POWERTOOLS_LOG_LEVEL="verbose", POWERTOOLS_DEV="perhaps"
    )
    assert (done.returncode, done.stderr.count("Powertools")) == (0, 0)
    assert "/a" in done.stdout


@pytest.mark.parametrize(
    ("missing", "status", "words"),
    [
        ("typer", 1, "error: a package of the command line is missing: install all that it needs"),
        ("moto", 2, "error: the embedded AWS needs the extra 'local': install 'invalidator[local]', or '.[local]'"),
    ],
)
def test_what_is_not_installed_is_named(missing: str, status: int, words: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from invalidator.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "demo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert_explained(done, status, words)


def test_where_whoever_reads_has_seen_enough_it_ends_without_a_word() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*COMMAND, "tags"], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_output_that_cannot_be_written_is_explained() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 a device
        done = subprocess.run(
            [*COMMAND, "plan", "--key", "a" * 1_000, "--distribution-id", "E1", "--json"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    *_, said = done.stderr.splitlines()
    assert said == "error: the output cannot be written: [Errno 28] No space left on device"
    assert "Traceback" not in done.stderr


def test_the_version_is_printed() -> None:
    assert re.fullmatch(r"invalidator \d+\.\d+\.\d+\n", run("--version").stdout)


def test_only_what_a_test_sets_for_the_start_of_python_starts_a_new_one() -> None:
    assert not starts_anew(os.environ)  # whatever the machine has set
    assert not starts_anew(os.environ | {"COLUMNS": "40"})
    assert starts_anew(os.environ | {"PYTHONUTF8": "other"})
    assert starts_anew(os.environ | {"POWERTOOLS_DEV": "other"})
