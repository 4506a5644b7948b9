"""``connect`` and ``disconnect``: the entry in a bucket's notification configuration."""

from collections.abc import Iterator

import pytest

from tests.doubles import strict_s3
from tests.doubles.command import assert_explained, run
from tests.doubles.strict_s3 import StrictS3

QUEUE = "arn:aws:sqs:us-east-1:111122223333:changes"
DIFFERENCE = """\
--- before
+++ after
@@ -1 +1,14 @@
-{}
+{
+  "QueueConfigurations": [
+    {
+      "Events": [
+        "s3:ObjectCreated:*",
+        "s3:ObjectRemoved:*",
+        "s3:LifecycleExpiration:*",
+        "s3:ObjectAcl:Put"
+      ],
+      "Id": "invalidator",
+      "QueueArn": "arn:aws:sqs:us-east-1:111122223333:changes"
+    }
+  ]
+}
"""


@pytest.fixture
def origin(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictS3]:
    bucket = StrictS3({"origin": "us-east-1", "west": "eu-west-1"}, {QUEUE})
    with strict_s3.serve(bucket) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield bucket


def test_a_bucket_is_connected_and_disconnected_by_hand(origin: StrictS3) -> None:
    connect = ("connect", "--bucket", "origin", "--queue", QUEUE)
    rehearsed = run(*connect, "--dry-run")
    assert (rehearsed.returncode, rehearsed.stdout, rehearsed.stderr) == (0, DIFFERENCE, "Nothing was changed.\n")
    assert origin.puts == 0
    done = run(*connect)
    assert (done.returncode, done.stdout) == (0, DIFFERENCE)
    assert done.stderr == f"Done: bucket origin notifies {QUEUE}, by its entry 'invalidator'.\n"
    again = run(*connect)
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr == f"Nothing to do: bucket origin notifies {QUEUE}, by its entry 'invalidator'.\n"
    gone = run("disconnect", "--bucket", "origin")
    assert gone.stderr == "Done: bucket origin has no entry 'invalidator'.\n"
    assert "-{" in gone.stdout.splitlines()
    assert (
        run("disconnect", "--bucket", "origin").stderr == "Nothing to do: bucket origin has no entry 'invalidator'.\n"
    )
    assert origin.puts == 2


def test_what_keeps_a_bucket_from_being_connected_is_explained(origin: StrictS3) -> None:
    assert_explained(run("connect", "--bucket", "nope", "--queue", QUEUE), 1, "NoSuchBucket")
    assert_explained(run("connect", "--bucket", "west", "--queue", QUEUE), 1, "is in eu-west-1")
    assert_explained(run("connect", "--bucket", "origin", "--queue", QUEUE + "2"), 1, "do not allow S3 to publish")
    run("connect", "--bucket", "origin", "--queue", QUEUE, "--id", "first")
    assert_explained(run("connect", "--bucket", "origin", "--queue", QUEUE), 1, "its entry 'first'")
    assert_explained(run("disconnect", "--bucket", "nope"), 1, "check the name of the bucket")


FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:f"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("connect", "--bucket", "origin"), "--queue / --function: give one of them"),
        (("connect", "--bucket", "origin", "--queue", QUEUE, "--function", FUNCTION), "give one of them"),
        (("connect", "--queue", QUEUE), "--bucket: give the origin bucket, or the stack"),
        (("disconnect",), "--bucket: give the origin bucket, or the stack"),
        (
            ("connect", "--bucket", "origin", "--queue", f"{QUEUE}.fifo"),
            ".fifo' is FIFO, and S3 notifies no FIFO queue",
        ),
        (("doctor", "--bucket", "origin", "--queue", "changes.fifo"), "--queue: 'changes.fifo' is a FIFO queue"),
        (
            ("connect", "--bucket", "origin", "--queue", "changes"),
            "--queue: 'changes' is not an ARN such as arn:aws:sqs:<region>:<account>:<name>",
        ),
        (("connect", "--bucket", "origin", "--queue", ""), "--queue: '' is not"),
        (("connect", "--bucket", "origin", "--queue", "arn:"), "--queue: 'arn:' is not"),
        (("connect", "--bucket", "origin", "--queue", "arn:aws:sqs:::"), "--queue: 'arn:aws:sqs:::' is not"),
        (("connect", "--bucket", "origin", "--function", QUEUE), f"--function: '{QUEUE}' is not"),
        (
            ("connect", "--bucket", "origin", "--queue", QUEUE, "--suffix", "*.html"),
            "--suffix: '*.html' is not what S3 takes",
        ),
        (
            ("connect", "--bucket", "origin", "--queue", QUEUE, "--prefix", "\udcff"),
            "--prefix: '\\udcff' is not what S3 takes",
        ),
        (
            ("connect", "--bucket", "origin", "--queue", QUEUE, "--id", " "),
            "--id: ' ' is not a name: give printable characters",
        ),
        (("connect", "--bucket", "s3://origin", "--queue", QUEUE), "--bucket: 's3://origin' is not the name"),
        (("disconnect", "--bucket", "arn:aws:s3:::origin"), "--bucket: 'arn:aws:s3:::origin' is not the name"),
        (("disconnect", "--bucket", ""), "--bucket: '' is not the name"),
    ],
)
def test_wrong_usage_of_connect_is_explained(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert_explained(done, 2, words)
