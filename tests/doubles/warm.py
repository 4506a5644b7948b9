"""Start commands fast: a server has imported what they need, and forks a process for each command.

Its arguments, folder, environment and streams are those of the client that started it. A variable that is read by an
import has no effect here; tests.doubles.command starts a new Python for these.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp


@cache
def command() -> list[str]:
    """Return what starts the command line. The first call in a process begins the server, which ends with it."""
    folder = mkdtemp()
    address = f"{folder}/commands"
    until_we_end, _ = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(100)
        listener.set_inheritable(True)
        server = [sys.executable, "-m", __name__, folder, str(listener.fileno())]
        streams = [(os.POSIX_SPAWN_DUP2, until_we_end, 0)]
        os.posix_spawn(sys.executable, server, os.environ, file_actions=streams)
    os.close(until_we_end)
    return [sys.executable, "-IS", str(Path(__file__).with_name("warm_client.py")), address]


def _serve(folder: str, number: int) -> None:
    from tests.doubles import warm_imports  # noqa: F401, PLC0415 in the server alone

    with socket.socket(fileno=number) as listener:
        gc.freeze()  # what is imported stays, and need not be looked through in each process
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for the commands
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            client, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(client)
            client.close()
    rmtree(folder)


def _answer(client: socket.socket) -> None:
    """Run the command of one client in a process of its own, and tell the client how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    data, streams, _, _ = socket.recv_fds(client, 1 << 20, 3)
    while not data.endswith(b"\n"):
        data += client.recv(1 << 20)
    arguments, folder, environ = json.loads(data)
    child = os.fork()
    if child == 0:
        client.close()
        _become(arguments, folder, environ, streams)
        return
    for stream in streams:
        os.close(stream)
    client.sendall(str(os.waitpid(child, 0)[1]).encode())
    os._exit(0)


def _become(arguments: list[str], folder: str, environ: dict[str, str], streams: list[int]) -> None:
    """Make this process what a shell would have started, and run the command."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    for name in ("stdin", "stdout", "stderr"):
        getattr(sys, name).buffer.raw.name = f"<{name}>"  # as Python's own
    sys.argv = ["invalidator", *arguments]
    try:
        runpy.run_module("invalidator", run_name="__main__", alter_sys=True)
        status: object = 0
    except SystemExit as end:
        status = end.code
    # As Python ends, but without taking to pieces what is imported: that takes longer than most commands.
    if isinstance(status, str):
        print(status, file=sys.stderr)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else bool(status))


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
