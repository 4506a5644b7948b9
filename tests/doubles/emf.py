"""The embedded metric format, as AWS specifies it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
(2026-11-22)
"""

from typing import Any

from jsonschema import Draft202012Validator

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html (2026-11-22)
_SIZES = ["Bits", "Kilobits", "Megabits", "Gigabits", "Terabits", "Bytes", "Kilobytes", "Megabytes", "Gigabytes"]
_SIZES += ["Terabytes", "Count"]
UNITS = ["Seconds", "Microseconds", "Milliseconds", "Percent", "None", *_SIZES, *(f"{size}/Second" for size in _SIZES)]

_SCHEMA = Draft202012Validator(
    {
        "type": "object",
        "required": ["_aws"],
        "properties": {
            "_aws": {
                "type": "object",
                "required": ["Timestamp", "CloudWatchMetrics"],
                "properties": {
                    "Timestamp": {"type": "integer"},
                    "CloudWatchMetrics": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/directive"}},
                },
                "additionalProperties": False,
            }
        },
        "$defs": {
            "name": {"type": "string", "minLength": 1, "maxLength": 1024},
            "directive": {
                "type": "object",
                "required": ["Namespace", "Dimensions", "Metrics"],
                "properties": {
                    "Namespace": {"$ref": "#/$defs/name"},
                    "Dimensions": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "array",
                            "maxItems": 30,
                            "items": {"type": "string", "minLength": 1, "maxLength": 250},
                            "uniqueItems": True,
                        },
                    },
                    "Metrics": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 100,
                        "items": {
                            "type": "object",
                            "required": ["Name"],
                            "properties": {
                                "Name": {"$ref": "#/$defs/name"},
                                "Unit": {"enum": UNITS},
                                "StorageResolution": {"enum": [1, 60]},
                            },
                            "additionalProperties": False,
                        },
                    },
                },
                "additionalProperties": False,
            },
        },
    }
)
_VALUE = {"type": "number", "minimum": -(2.0**360), "maximum": 2.0**360}
_TARGETS = Draft202012Validator({"anyOf": [_VALUE, {"type": "array", "minItems": 1, "maxItems": 100, "items": _VALUE}]})
_DIMENSION = Draft202012Validator({"type": "string", "minLength": 1, "maxLength": 1024, "pattern": r"\S"})


def problems(document: Any) -> list[str]:
    """Return the violations of the format in a document."""
    found = [error.message for error in _SCHEMA.iter_errors(document)]
    for directive in [] if found else document["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            found += [f"{metric['Name']}: {error.message}" for error in _TARGETS.iter_errors(document[metric["Name"]])]
        for name in {name for names in directive["Dimensions"] for name in names}:
            found += [f"{name}: {error.message}" for error in _DIMENSION.iter_errors(document[name])]
    return found


def metrics_of(document: Any) -> list[tuple[str, str, tuple[str, ...], list[float]]]:
    """Return namespace, name, names of dimensions, and values of each metric in a document."""
    return [
        (directive["Namespace"], metric["Name"], tuple(sorted(names)), _listed(document[metric["Name"]]))
        for directive in document["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
        for names in directive["Dimensions"]
    ]


def _listed(value: Any) -> list[float]:
    return value if isinstance(value, list) else [value]
