"""Fixtures of settings that are stored in AWS."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.doubles.stored import StoredIds


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture(params=["DISTRIBUTION_IDS_SECRET", "DISTRIBUTION_IDS_PARAMETER"])
def stored(request: pytest.FixtureRequest, aws: None) -> StoredIds:
    made = StoredIds(request.param)
    made.put("E1ABCDEFGH")
    return made
