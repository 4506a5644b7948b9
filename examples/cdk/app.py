"""Deploys invalidator for several buckets, a stack for each: pip install aws-cdk-lib, cdk bootstrap, cdk deploy --all.

The account and the Region are those of your credentials and of the buckets. If CDK makes a bucket, give it
event_bridge_enabled=True there; else its stack switches EventBridge on, and the next change of the bucket off again.

The files of the release, of which this takes the template and the zips, lie in a folder beside this file. Check them
there: sha256sum --check SHA256SUMS
"""

import re
from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda, aws_s3_assets
from aws_cdk import cloudformation_include as include

RELEASE = Path(__file__).parent / "invalidator-1.0.0"
TEMPLATE = str(RELEASE / "invalidator.yml")

# The name of each stack, and its parameters (docs/configuration.md) as template.yml calls them.
STACKS = {
    "invalidator-shop": {"Bucket": "my-origin", "Distributions": "discover"},
    "invalidator-blog": {"Bucket": "my-blog", "Distributions": "E1A2B3C4D5E6F7,E7F6D5C4B3A2E1", "Include": "posts/*"},
}


class Invalidator(cdk.Stack):
    """The stack of a bucket. With EventBridge, it leaves alone what else the bucket notifies."""

    def __init__(self, scope: cdk.App, name: str, given: Mapping[str, str]) -> None:
        super().__init__(scope, name)
        parameters = {"Trigger": "eventbridge"} | given
        check(parameters)
        # CDK uploads the zips itself, so that nobody needs the parameters for that.
        code = {"CodeBucket": "", "CodeKey": ""}
        template = include.CfnInclude(self, "Template", template_file=TEMPLATE, parameters=parameters | code)
        for part in ("Invalidate", "Connect", "Check", "Pipeline"):
            asset = aws_s3_assets.Asset(self, part, path=str(RELEASE / f"{part.lower()}.zip"))
            function = template.get_resource(f"{part}LambdaFunction")
            function.code = aws_lambda.CfnFunction.CodeProperty(
                s3_bucket=asset.s3_bucket_name, s3_key=asset.s3_object_key
            )


def check(parameters: Mapping[str, str]) -> None:
    """Refuse what CloudFormation would refuse. It sees no parameters: CDK puts their values into the template."""
    template = include.CfnInclude(cdk.Stack(), "Template", template_file=TEMPLATE)
    for name, value in parameters.items():
        parameter = template.get_parameter(name)
        allowed = parameter.allowed_values
        if not (value in allowed if allowed else re.fullmatch(parameter.allowed_pattern, value)):
            raise SystemExit(f"{name} is {value!r}: {parameter.constraint_description}")


app = cdk.App()
for name, given in STACKS.items():
    Invalidator(app, name, given)
app.synth()
