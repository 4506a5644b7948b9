"""``invoke``: on the real endpoint, and on an embedded AWS."""

import json
from pathlib import Path

import pytest

from tests.doubles import strategies as make
from tests.doubles.cloudfront import DENIED, StrictCloudFront
from tests.doubles.command import ROOT, assert_explained, run
from tests.doubles.documents import contents
from tests.doubles.strategies import Change

EVENTS = sorted((ROOT / "events").glob("*.json"))


@pytest.mark.parametrize("file", EVENTS, ids=lambda path: path.stem)
def test_every_sample_event_runs_on_the_embedded_aws(file: Path) -> None:
    done = run("invoke", file, "--local")
    assert done.returncode == 0, done.stderr
    *shown, last = done.stdout.splitlines()
    answer = json.loads(last.removeprefix("answer: "))
    if file.stem.startswith("sqs"):
        assert answer == {"batchItemFailures": []}
    else:
        assert len(answer["invalidations"]) == (0 if "test-event" in file.stem else 2)
    heads = [line.split() for line in shown if not line.startswith(" ")]
    assert [head[1] for head in heads] == ([] if "test-event" in file.stem else ["invalidation"] * 2)
    paths = [line for line in shown if line.startswith("    /")]
    assert len(paths) == (int(heads[0][3]) if heads else 0)
    logged = [json.loads(line) for line in done.stderr.splitlines()]
    created = [line for line in logged if line["message"] == "invalidation created"]
    assert len(created) == (0 if "test-event" in file.stem else 2)


def test_invoke_reads_standard_input_and_uses_the_real_endpoint(cloudfront: StrictCloudFront) -> None:
    done = run("invoke", "-", stdin=json.dumps(make.s3(Change("a"))))
    assert done.returncode == 0
    answer = json.loads(done.stdout.removeprefix("answer: "))
    assert [item["distribution"] for item in answer["invalidations"]] == ["E1", "E2"]
    assert cloudfront.paths("E1") == ["/a"]


def test_a_file_with_a_byte_order_mark_is_read(cloudfront: StrictCloudFront, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(make.s3(Change("a"))), encoding="utf-8-sig")
    assert run("invoke", file).returncode == 0
    assert cloudfront.paths("E1") == ["/a"]


def test_invoke_fails_where_a_message_fails(cloudfront: StrictCloudFront) -> None:
    done = run("invoke", "-", stdin=json.dumps(make.sqs(make.s3(Change("a")), "poison")))
    assert done.returncode == 1
    assert done.stdout == 'answer: {"batchItemFailures": [{"itemIdentifier": "m1"}]}\n'


def test_a_program_gets_the_answer_and_what_was_accepted() -> None:
    document = contents(run("invoke", "events/sqs-s3.json", "--local", "--json").stdout)
    assert document["answer"] == {"batchItemFailures": []}
    assert [one["items"] for one in document["invalidations"]] == [document["invalidations"][0]["items"]] * 2


def test_invoke_fails_where_a_job_of_codepipeline_does() -> None:
    event = json.loads((ROOT / "events" / "codepipeline-job.json").read_text())
    event["CodePipeline.job"]["data"]["actionConfiguration"]["configuration"]["UserParameters"] = '{"objectPaths": "x"}'
    done = run("invoke", "-", "--local", stdin=json.dumps(event))
    assert done.returncode == 1
    answer = json.loads(done.stdout.removeprefix("answer: "))
    assert (answer["result"], answer["type"]) == ("failed", "ConfigurationError")
    assert "did you mean '/x'?" in answer["reason"]
    assert "Traceback" not in done.stderr
    assert event["CodePipeline.job"]["data"]["artifactCredentials"]["secretAccessKey"] not in done.stdout + done.stderr


def test_invoke_explains_what_failed(cloudfront: StrictCloudFront) -> None:
    cloudfront.broken["E1"] = DENIED
    done = run("invoke", "-", stdin=json.dumps(make.s3(Change("a"))))
    assert_explained(done, 1, "error: E1: /a not invalidated: AccessDenied")
    assert "grant cloudfront:CreateInvalidation on" in done.stderr


@pytest.mark.parametrize(("level", "shown"), [("INFO", False), ("DEBUG", True)])
def test_an_event_is_logged_at_debug_only_whatever_powertools_is_told(
    cloudfront: StrictCloudFront, level: str, shown: bool
) -> None:
    environ = {"POWERTOOLS_LOGGER_LOG_EVENT": "true", "POWERTOOLS_LOG_LEVEL": level}
    done = run("invoke", "events/s3-put.json", **environ)
    assert done.returncode == 0
    assert ("sourceIPAddress" in done.stderr) == shown
