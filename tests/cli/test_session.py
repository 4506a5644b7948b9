"""The end of commands on a signal, where no command is needed to see it; the commands' own tests have the rest."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from invalidator.cli.session import interruptible
from tests.doubles.command import ROOT


def test_a_closed_terminal_ends_nothing_that_nohup_has_started() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(lambda: None):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interrupt_during_an_import_ends_it_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nprint('imported')\n")
    script = (
        "from invalidator.cli.session import interrupts_ending_at_once as ending\nwith ending():\n    import slow\n"
    )
    environ = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
