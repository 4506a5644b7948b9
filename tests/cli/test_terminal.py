"""Whatever text comes from outside, a terminal shows it as data, and obeys nothing in it."""

import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invalidator.cli import terminal
from tests.doubles import strategies as make
from tests.doubles import warm
from tests.doubles.command import ROOT
from tests.doubles.strategies import Change

# What the terminal module itself sends: colours, and how it draws progress again in its place.
OWN = re.compile(r"\x1b\[(?!5;7)[\d;]*m|\x1b\[\?25[lh]|\x1b\[1A|\x1b\[2K|\r")
HOSTILE = (
    "\x1b]0;owned\x07[/blue][bold]x[/] \x9b31m\x1b[5;7;35mz\x1b[2J"
    "\u202egpj.exe\u2066\x00\x7f\ud800\r\nDone: all \U000e0041"
)


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def shown(write: Callable[[], object], width: int = 80) -> str:
    """Return what a terminal of a width gets."""
    with pytest.MonkeyPatch.context() as patch:
        screen = Screen()
        patch.setenv("COLUMNS", str(width))
        patch.setattr(sys, "stdout", screen)
        patch.setattr(sys, "stderr", screen)
        write()
    return screen.getvalue()


def assert_data(written: str) -> None:
    """Assert that a terminal gets nothing to obey but what the terminal module sends of its own."""
    rest = OWN.sub("", written)
    assert all(character.isprintable() or character == "\n" for character in rest), ascii(written)


def told(text: str) -> None:
    with terminal.states_shown() as tell:
        tell(text)


def counted(text: str) -> None:
    with terminal.progress(text) as advance:
        advance()
    with terminal.board("done", {text: 1}, lines=True) as count_down:
        count_down(text)


WRITERS: dict[str, Callable[[str], object]] = {
    "a line": terminal.print_line,
    "a coloured line": lambda text: terminal.print_line((text, "cyan"), text),
    "a table": lambda text: terminal.print_table(("a", "b"), [[text, (text, "green")], ["x", text]]),
    "narration": terminal.narrate,
    "a warning": lambda text: terminal.warn([text]),
    "a state": told,
    "progress": counted,
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@given(text=st.text(max_size=60), width=st.integers(1, 120))
@example(text=HOSTILE, width=80)
@example(text=HOSTILE, width=1)
@example(text="[/blue]", width=80)
def test_text_from_outside_is_shown_as_data_at_any_width(write: Callable[[str], object], text: str, width: int) -> None:
    assert_data(shown(lambda: write(text), width))


@given(st.text(max_size=60))
@example("[/blue]")
@example("[bold]x[/]")
@example(":bomb: \\x1b")
def test_what_can_be_seen_is_shown_as_it_is(text: str) -> None:
    written = shown(lambda: terminal.print_line(text), 10_000)
    assert written == "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in "; ".join(text.splitlines())) + "\n"


# --- every command, on a terminal -----------------------------------------------------------------------


def on_a_terminal(*arguments: str, **environ: str) -> str:
    """Run a command whose streams are a terminal of its own, and return what that gets."""
    control, device = pty.openpty()
    process = subprocess.Popen(
        [*warm.command(), *arguments],
        stdin=device,
        stdout=device,
        stderr=device,
        cwd=ROOT,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "60"} | environ,
        close_fds=True,
    )
    os.close(device)
    got = b""
    with os.fdopen(control, "rb", buffering=0) as reader:
        try:
            while some := reader.read(65_536):
                got += some
        except OSError:  # the other side is closed
            pass
    process.wait()
    return got.decode()


ESCAPED = "\x1b]0;owned\x07[/blue]\x9b31m\x1b[5;7;35mz\u202e"
DEAD_ENDPOINT = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}


def hostile(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return copies of a record in each of which another field is hostile."""
    found = []
    for name in ("eventSource", "eventName", "eventVersion", "eventTime", "awsRegion", ESCAPED):
        found.append(record | {name: ESCAPED})
    for name, field in (("bucket", "name"), ("object", "key"), ("object", "sequencer"), ("object", ESCAPED)):
        inner = record["s3"] | {name: record["s3"][name] | {field: ESCAPED}}
        found.append(record | {"s3": inner})
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "{event}"),
        ("invoke", "{event}", "--local"),
        ("create", "--path", f"/{ESCAPED}", "--distribution-id", "E1", "--dry-run"),
        ("create", "--path", ESCAPED, "--distribution-id", "E1"),
        ("create", "--from-file", "{missing}"),
        ("create", "--reference", ESCAPED, "--path", "/a", "--distribution-id", ESCAPED),
        ("explain", ESCAPED, "--bucket", "origin"),
        ("explain", ESCAPED, "--bucket", ESCAPED),
        ("distributions", "--bucket", ESCAPED),
        ("status", ESCAPED),
        ("status", "--distribution-id", ESCAPED),
        ("connect", "--bucket", ESCAPED, "--queue-arn", "arn:aws:sqs:us-east-1:111122223333:q"),
        ("disconnect", "--bucket", ESCAPED, "--id", ESCAPED),
        ("dlq", "--queue", ESCAPED),
        ("dlq", "--queue", "dead", "--discard", ESCAPED),
        ("doctor", "--queue", ESCAPED),
        ("doctor", "--bucket", ESCAPED),
        ("verify", f"https://{ESCAPED}/"),
        ("verify", ESCAPED, "--bucket", ESCAPED),
        ("local", "--port", ESCAPED),
        (ESCAPED,),
        (f"--{ESCAPED}",),
        ("plan", f"--{ESCAPED}"),
    ],
    ids=lambda arguments: "-".join(re.sub(r"[^\w{}-]", "", word)[:16] for word in arguments),
)
def test_no_command_sends_a_terminal_what_is_in_its_data(arguments: tuple[str, ...], tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    record = make.s3_record(Change("a"))
    served = make.s3(Change(ESCAPED), Change(f"b{ESCAPED}.html"))["Records"]
    event.write_text(json.dumps({"Records": [*served, *hostile(record)]}))
    names = {"{event}": str(event), "{missing}": str(tmp_path / ESCAPED)}
    environ = {"DISTRIBUTION_IDS": "E1", "DESCRIBE": "off"} | DEAD_ENDPOINT
    got = on_a_terminal(*(names.get(word, word) for word in arguments), **environ)
    assert got
    assert "Traceback" not in got
    assert_data(got)
