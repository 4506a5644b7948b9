"""The last runs, and cold starts that are made up: some of their targets are met, some are missed."""

import pytest

from benchmarks import figures
from benchmarks.cold import Run, Taken, start
from benchmarks.figures import BY_MEMORY, FUNCTIONS, LISTED, MEMORIES, MEMORY, PLAIN, Cold, Deployment, Loop, Results


def runs_of(function: str, memory: int) -> list[Run]:
    """Return three runs of a function: ours are quicker until they get an event."""
    init, event, peak = (0.2, 0.02, 40.0) if function == LISTED else (0.4, 0.3, 50.0)
    slowdown = 1769 / memory
    return [
        Run(Taken(init, init), Taken(slowdown * event * each, event * each), Taken(0.02, 0.004), peak, 70.0)
        for each in (1.0, 1.1, 1.2)
    ]


@pytest.fixture
def cold() -> Cold:
    measured = [(name, memory) for memory in MEMORIES for name in FUNCTIONS if memory == MEMORY or name in BY_MEMORY]
    return Cold(
        process=figures.comparison([0.3, 0.3, 0.4], [0.4, 0.4, 0.4]),
        starts=[start(name, memory, runs_of(name, memory), runs_of(PLAIN, memory)) for name, memory in measured],
        loops=[Loop(memory=memory, asked=memory / 1769, got=memory / 1770) for memory in MEMORIES],
        messages=4_000,
        peak_with_messages=figures.spread([70.0, 70.0]),
    )


@pytest.fixture
def results(cold: Cold) -> Results:
    return {**figures.load(), "cold": cold}


@pytest.fixture
def played() -> Deployment:
    return figures.load_deployment()
