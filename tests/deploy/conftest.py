"""A record of calls, for the tests that compare the roles with them."""

from typing import Any

import pytest
from botocore.client import BaseClient

# Operations whose permission has another name.
NAMED_OTHERWISE = {
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:HeadObject": "s3:GetObjectVersion",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:PutBucketNotificationConfiguration": "s3:PutBucketNotification",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "lambda:Invoke": "lambda:InvokeFunction",
}


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Record the actions of all calls that the SDK makes."""
    found: set[str] = set()
    make_call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def record(self: Any, operation: str, arguments: Any) -> Any:
        action = f"{self.meta.service_model.service_name}:{operation}"
        found.add(NAMED_OTHERWISE.get(action, action))
        return make_call(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    return found
