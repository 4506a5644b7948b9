"""A process with a share of a processor: the kernel's CFS bandwidth control, played from outside and without root.

Lambda gives a function as much CPU time in each period of 20 ms as its memory entitles it to; once that is used up, all
of its threads wait for the next period: https://docs.kernel.org/scheduler/sched-bwc.html
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

PERIOD_SECONDS: Final = 0.020
LOOK_SECONDS: Final = 0.0005
"""So often the process is looked at."""

_SCHEDULED: Final = 2  # CPUCLOCK_SCHED


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far, of all its threads, those that have ended included.

    It is the clock of clock_getcpuclockid(3): current, and in nanoseconds. /proc/PID/schedstat has the first thread
    only, /proc/PID/task/*/schedstat lacks those that have ended, and both are as old as the last tick of the scheduler.
    """
    return time.clock_gettime_ns((~pid << 3) | _SCHEDULED) / 1e9


@dataclass
class Bandwidth:
    """An account of CPU time: a quota each period. What is left over is lost; what was taken too much is paid back.

    ``begun`` is when the current period began, ``used`` the CPU time of the process until the last look; in seconds.
    """

    quota: float
    begun: float
    used: float

    def __post_init__(self) -> None:
        self._left = self.quota

    def allows(self, now: float, used: float) -> bool:
        """Return whether the process may run now, where it has used so much CPU time."""
        self._left -= used - self.used
        self.used = used
        periods = int((now - self.begun) / PERIOD_SECONDS)
        self.begun += periods * PERIOD_SECONDS
        self._left = min(self.quota, self._left + periods * self.quota)
        return self._left > 0


@contextmanager
def slowed(pid: int, share: float) -> Iterator[None]:
    """Keep a process to this share of a processor. It begins with the quota of a whole period."""
    bandwidth = Bandwidth(share * PERIOD_SECONDS, time.perf_counter(), cpu_seconds(pid))
    ended, interval = threading.Event(), sys.getswitchinterval()
    keeper = threading.Thread(target=_keep, args=(pid, bandwidth, ended))
    sys.setswitchinterval(LOOK_SECONDS)  # the threads that answer the process must not keep this one waiting
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        sys.setswitchinterval(interval)


def _keep(pid: int, bandwidth: Bandwidth, ended: threading.Event) -> None:
    runs = True
    while not ended.wait(LOOK_SECONDS):
        may_run = bandwidth.allows(time.perf_counter(), cpu_seconds(pid))
        if may_run != runs:
            os.kill(pid, signal.SIGCONT if may_run else signal.SIGSTOP)
            runs = may_run
    os.kill(pid, signal.SIGCONT)


def share_of_a_loop(share: float, seconds: float = 1.0) -> float:
    """Return the share of a processor that a busy loop gets in so many seconds, where it is kept to ``share``."""
    loop = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
    try:
        with slowed(loop.pid, share):
            start, used = time.perf_counter(), cpu_seconds(loop.pid)
            time.sleep(seconds)
            return (cpu_seconds(loop.pid) - used) / (time.perf_counter() - start)
    finally:
        loop.kill()
        loop.wait()
