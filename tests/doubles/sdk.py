"""The SDK's own models and errors, for doubles that are called as SDK clients."""

from functools import cache
from typing import Any

import botocore.session
from botocore.exceptions import ClientError


@cache
def operation_model(service: str, name: str) -> Any:
    """Return the SDK's model of an operation."""
    return botocore.session.get_session().get_service_model(service).operation_model(name)


def client_error(operation: str, code: str, status: int, message: str = "") -> ClientError:
    """Return the SDK's error for a refused call."""
    response: Any = {
        "Error": {"Code": code, "Message": message or f"{code} on demand"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, operation)
