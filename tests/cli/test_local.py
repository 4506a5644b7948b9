"""``local`` and ``demo``: the embedded AWS."""

import os
import re
import signal
import socket

import boto3
import pytest

from tests.doubles.command import assert_explained, run, start


def test_the_demo_tells_the_whole_story() -> None:
    done = run("demo")
    assert done.returncode == 0, done.stderr
    heads = [line.split() for line in done.stdout.splitlines() if not line.startswith(" ")]
    references = [head[5] for head in heads]
    first, edit, delete, redelivery = (references[n : n + 2] for n in (0, 2, 4, 6))
    assert redelivery == delete
    assert len({*first, *edit, *delete}) == 6
    assert done.stdout.count("    (known already: nothing new was created)\n") == 1
    assert done.stdout.endswith("    /*\n")
    assert "16 changes, 8 invalidations of 30 paths on 2 distributions; 0 messages failed." in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_local_shows_each_invalidation_as_it_happens_and_stops_cleanly(stop: signal.Signals) -> None:
    with start("local", "--port", "0", env=os.environ | {"PYTHONUNBUFFERED": "1"}) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        head = process.stderr.readline()
        endpoint = re.search(r"http://127\.0\.0\.1:\d+", head)
        assert endpoint is not None, head
        while "Ctrl-C stops it." not in process.stderr.readline():
            pass
        boto3.client("s3", endpoint_url=endpoint[0]).put_object(Bucket="origin", Key="blog/index.html", Body=b"x")
        shown = [process.stdout.readline() for _ in range(4)]
        process.send_signal(stop)
        _, rest = process.communicate(timeout=20)
    assert [line.strip() for line in shown if line.startswith(" ")] == ["/blog/", "/blog/index.html"]
    assert rest == "Stopped.\n"
    assert process.returncode == 0


def test_a_port_in_use_is_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_explained(run("local", "--port", port), 2, f"port {port} cannot be used")
