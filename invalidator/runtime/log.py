"""The function's log: one JSON object a line."""

from aws_lambda_powertools.logging import Logger

from invalidator.settings import environment

logger = Logger(service=environment.service_name())
