"""A secret and parameters that hold ids of distributions, in moto's Secrets Manager and Parameter Store."""

import json
from typing import Any

import boto3

from invalidator.settings.environment import Settings, load

IDS = ("E1A2B3C4D5E6F7", "EDFDVBD6EXAMPLE")
FORMS = [
    json.dumps(IDS),
    json.dumps(dict(zip(["www", "blog"], IDS, strict=True))),
    json.dumps(" ".join(IDS)),
    ",".join(IDS),
    "\n".join(IDS) + "\n",
]


def put_secret(value: str | bytes, name: str = "cdn") -> str:
    kind = {"SecretBinary": value} if isinstance(value, bytes) else {"SecretString": value}
    return boto3.client("secretsmanager").create_secret(Name=name, **kind)["ARN"]


def put_parameter(value: str, kind: Any = "String") -> None:
    boto3.client("ssm").put_parameter(Name="/cdn/ids", Value=value, Type=kind, Overwrite=True)


class StoredIds:
    """A secret and a parameter called cdn, and a clock by which they are read."""

    def __init__(self, variable: str) -> None:
        self.environ = {variable: "cdn"}
        self.now = 1_000.0
        self._is_secret = "SECRET" in variable

    def put(self, value: str) -> None:
        if not self._is_secret:
            boto3.client("ssm").put_parameter(Name="cdn", Value=value, Type="String", Overwrite=True)
            return
        secrets = boto3.client("secretsmanager")
        try:
            secrets.put_secret_value(SecretId="cdn", SecretString=value)
        except secrets.exceptions.ResourceNotFoundException:
            secrets.create_secret(Name="cdn", SecretString=value)

    def remove(self) -> None:
        if self._is_secret:
            boto3.client("secretsmanager").delete_secret(SecretId="cdn", ForceDeleteWithoutRecovery=True)
        else:
            boto3.client("ssm").delete_parameter(Name="cdn")

    def load(self, after: float = 0.0, **more: str) -> Settings:
        """Load the settings so many seconds after the last time."""
        self.now += after
        return load(self.environ | more, now=lambda: self.now)

    def load_instead(self, id_: str) -> Settings:
        """Load them for an id of a command line."""
        return load(self.environ, instead=[id_], now=lambda: self.now)
