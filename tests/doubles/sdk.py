"""The SDK's own model of a service, and its own error, for doubles behind the door of a client."""

from functools import cache
from typing import Any

import botocore.session
from botocore.exceptions import ClientError


@cache
def operation_model(service: str, name: str) -> Any:
    """Return what the SDK knows of an operation."""
    return botocore.session.get_session().get_service_model(service).operation_model(name)


def client_error(operation: str, code: str, status: int, message: str = "") -> ClientError:
    """Return the error that the SDK makes of a refusal."""
    response: Any = {
        "Error": {"Code": code, "Message": message or f"{code} on demand"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, operation)
