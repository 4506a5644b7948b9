"""A deploy as Lambda receives it: one S3 notification a message, as long as those of S3."""

import json
from hashlib import md5
from typing import Any


def uploads_event(messages: int, objects: int | None = None) -> dict[str, Any]:
    """Return an SQS event with uploads of a site, half of them index documents.

    With fewer ``objects`` than messages, their notifications repeat. A distribution takes 2,000 objects at once.
    """
    return {
        "Records": [
            {
                "messageId": f"19dd0b57-b21e-4ac1-bd88-{number:012d}",
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a" * 8,
                "body": json.dumps({"Records": [_record(number % (objects or messages))]}, separators=(",", ":")),
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795167012900"},
                "messageAttributes": {},
                "md5OfBody": "7b270e59b47ff90a553787216d55d91d",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:invalidator",
                "awsRegion": "eu-central-1",
            }
            for number in range(messages)
        ]
    }


def _record(number: int) -> dict[str, Any]:
    post, image = f"posts/{number // 100}/{number % 100:02}/index.html", f"images/{number // 50}/im{number}.jpg"
    key = post if number % 2 else image
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-central-1",
        "eventTime": "2026-11-20T09:30:12.345Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AROA5DQHV3EXAMPLEID:deploy-4f1c2a77"},
        "requestParameters": {"sourceIPAddress": "192.0.2.7"},
        "responseElements": {
            "x-amz-request-id": "C3D13FE58DE4C810",
            "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpDmZ0xQW2sT1aB",
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "NTk4ZjVkMzEtMTQ3Yi00YzM2LWFkZGUtNTQ4NzgzYTk2ZTE4",
            "bucket": {
                "name": "origin",
                "ownerIdentity": {"principalId": "A3NL1KOZZKEXAMPLE"},
                "arn": "arn:aws:s3:::origin",
            },
            "object": {
                "key": key,
                "size": 1024 + number,
                "eTag": md5(key.encode(), usedforsecurity=False).hexdigest(),
                "sequencer": f"0066E5A1B2{number:08X}",
            },
        },
    }
