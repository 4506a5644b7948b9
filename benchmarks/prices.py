"""Processors and prices of Lambda, and prices of SQS: us-east-1, arm64, without the free tier, read on 2026-11-29."""

from math import ceil
from typing import Final

from benchmarks.figures import CaughtUp, Start
from invalidator.limits import USD_PER_LISTING

MB_OF_A_PROCESSOR: Final = 1_769
"""A function with so much memory has one vCPU: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""

# https://aws.amazon.com/lambda/pricing/
USD_PER_GB_SECOND: Final = 0.0000133334
USD_PER_MILLION_REQUESTS: Final = 0.20

# https://aws.amazon.com/sqs/pricing/ (2026-11-30)
USD_PER_MILLION_QUEUE_REQUESTS: Final = 0.40
BYTES_PER_REQUEST: Final = 65_536
"""Of a call to SQS; each further part of it so large is another request."""


def share_of(memory: int) -> float:
    """Return the share of a processor that a function with so many MB gets."""
    return memory / MB_OF_A_PROCESSOR


def billed_cold(found: Start) -> int:
    """Return the milliseconds that are billed for an event that starts a process.

    Init is billed, too: https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/
    """
    return ceil(1000 * found["answered"]["median"])


def billed_warm(found: Start) -> int:
    """Return the milliseconds that are billed for an event in a process that has served one."""
    return ceil(1000 * found["second"]["seconds"]["median"])


def usd_a_million(memory: int, milliseconds: int) -> float:
    """Return the price of a million events, each an invocation of so many MB and milliseconds."""
    return memory / 1024 * milliseconds * 1000 * USD_PER_GB_SECOND + USD_PER_MILLION_REQUESTS


def catch_up_seconds(found: CaughtUp, memory: int) -> float:
    """Return the seconds that the CPU time of a catch-up takes with so many MB."""
    return found["cpu"] / share_of(memory)


def usd_of_calls(found: CaughtUp) -> float:
    """Return the price of the calls of a catch-up. Those of Parameter Store cost nothing."""
    listings = found["calls"]["ListObjectVersions"] * USD_PER_LISTING
    return listings + found["requests"] * USD_PER_MILLION_QUEUE_REQUESTS / 1e6


def usd_of_seconds(memory: int, seconds: float) -> float:
    """Return the price of one invocation with so many MB that takes so many seconds."""
    return usd_a_million(memory, ceil(1000 * seconds)) / 1e6
