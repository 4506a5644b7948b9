"""The time of an invocation."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from invalidator.runtime.clients import Clients
from invalidator.runtime.invocation import Invocation, LocalContext


@dataclass(frozen=True)
class Lambda(LocalContext):
    """The context of an invocation of two minutes whose wall clock is set."""

    clock: list[float] = None  # type: ignore[assignment]

    def get_remaining_time_in_millis(self) -> int:
        passed, stepped = self.clock
        return int((120 - passed + stepped) * 1000)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(-10_000, 10_000))))
def test_a_clock_that_is_set_back_gives_an_invocation_no_more_time(steps: list[tuple[int, int]]) -> None:
    clock = [0.0, 0.0]
    invocation = Invocation.begin(Clients(monotonic=lambda: clock[0]), Lambda(clock=clock))
    for seconds, step in steps:
        clock[0] += seconds
        clock[1] += step
        assert invocation.seconds_left() <= 120 - clock[0]
        if clock[1] >= 0:
            assert invocation.seconds_left() == 120 - clock[0]
