"""``local`` and ``demo``: the embedded AWS."""

import importlib.metadata
import os
import re
import shlex
import signal
import socket
import subprocess
import sys

from tests.doubles import warm
from tests.doubles.command import ROOT, assert_explained, run, start


def others_than(file: str) -> set[str]:
    """Return the names under which one can import what is installed, but is not among the requirements of a file."""
    required = set(re.findall(r"^([\w.-]+)==", (ROOT / file).read_text(), re.MULTILINE))
    installed = importlib.metadata.packages_distributions().items()
    return {
        name for name, packages in installed if not required & {re.sub("[_.]", "-", one.lower()) for one in packages}
    }


def test_the_demo_tells_the_whole_story_with_few_packages() -> None:
    missing = ", ".join(map(repr, others_than("requirements-local.txt")))
    script = f"import sys; sys.modules |= dict.fromkeys([{missing}]); from invalidator.__main__ import main; main()"
    command = [sys.executable, "-c", script, "demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    references = re.findall(r"^E\w{12}  invalidation .*(invalidator-\w{32})$", done.stdout, re.MULTILINE)
    first, edit, delete, redelivery = (references[n : n + 2] for n in (0, 2, 4, 6))
    assert redelivery == delete
    assert len({*first, *edit, *delete}) == 6
    assert done.stdout.count("    (known already: nothing new was created)\n") == 1
    served = re.findall(r"^    GET /blog/index.html: (.*)$", done.stdout, re.MULTILINE)
    assert served == [
        "Miss from cloudfront, 'Blog'",
        "Hit from cloudfront, 'Blog'",
        "Miss from cloudfront, 'Blog, edited'",
    ]
    *_, last = done.stdout.splitlines()
    assert last == "16 changes, 8 invalidations of 30 paths on 2 distributions; 0 messages failed."
    assert len(re.findall(r"^\d\. ", done.stdout, re.MULTILINE)) == 5  # a file has the headings, too
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


def test_all_lines_that_local_prints_work_and_it_shows_what_they_cause() -> None:
    # In a terminal without the program aws, the upload is a line of Python, which takes a fourth of the time.
    with start("local", "--port", "0", env=os.environ | {"PYTHONUNBUFFERED": "1", "PATH": os.defpath}) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = "".join(iter(process.stderr.readline, "Ctrl-C stops it.\n"))
        samples = "".join(re.findall(r"^  (?:export|aws|\.|/).*\n", told, re.MULTILINE))
        assert re.findall(r" -m invalidator (\w+)", samples) == ["verify", "status", "doctor", "dlq"]
        lines = re.sub(r"\S+ -m invalidator", shlex.join(warm.command()), samples)
        done = subprocess.run(["sh", "-ec", lines], cwd=ROOT, capture_output=True, text=True, check=False)
        shown = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nfresh: the ETag is that of S3's object.\n" in done.stdout
    assert " on 2 distributions, none in progress." in done.stderr
    assert "5 findings: nothing wrong." in done.stderr
    assert "The dead-letter queue is empty" in done.stderr
    assert shown[2] == "    /README.md\n"
    assert rest == "Stopped.\n"
    assert process.returncode == 0


def test_a_port_in_use_is_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_explained(run("local", "--port", port), 2, f"port {port} cannot be used")
