"""Import the command line and what its libraries import when they are first needed."""

# ruff: noqa: F401
import aws_lambda_powertools.logging
import aws_lambda_powertools.metrics
import boto3.s3.inject
import botocore.session
import moto.cloudfront.responses
import moto.cloudfront.urls
import moto.codepipeline.responses
import moto.moto_api._internal
import moto.s3.responses
import moto.s3.urls
import moto.server
import moto.sqs.responses
import moto.sts.models
import pydantic.json_schema
import rich.columns
import rich.live
import rich.markdown
import rich.progress
import rich.table
import rich.traceback
import typer
import typer._adapters
import typer._click.decorators

import invalidator.handler
import invalidator.local.demo
from invalidator.cli.app import NAMES, load_command
from tests.doubles.shared_sdk import share_between_sessions

for _name in NAMES:
    load_command(_name)
share_between_sessions()
for _service in ("cloudfront", "s3", "sqs"):
    botocore.session.get_session().create_client(_service, region_name="us-east-1")
