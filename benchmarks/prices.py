"""Processors and prices of Lambda: us-east-1, arm64, without the free tier, read on 2026-11-29."""

from math import ceil
from typing import Final

from benchmarks.figures import Start

MB_OF_A_PROCESSOR: Final = 1_769
"""A function with so much memory has one vCPU: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""

# https://aws.amazon.com/lambda/pricing/
USD_PER_GB_SECOND: Final = 0.0000133334
USD_PER_MILLION_REQUESTS: Final = 0.20


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
