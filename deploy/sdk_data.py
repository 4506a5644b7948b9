"""Cut the data of botocore down to what some operations need: the models, rule sets and endpoints that a client reads.

botocore's model of CloudFront alone is 0.8 MB of JSON, which each cold start parses whole; and of each answer it parses
every member that the model knows. With a model that is cut, it makes the same requests, and reads the same values of
the members that are left.

The data has to lie in the folder of botocore itself: if endpoints.json comes from another one, such as AWS_DATA_PATH,
botocore resolves endpoints in its old way, whatever the rule sets say (args.py, botocore 1.44.5, 2026-11-29).

Of Python only the standard library is used.
"""

import ast
import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

_Json = dict[str, Any]

CALLED_FOR_US: Final[Mapping[str, set[str]]] = {
    # botocore's: where a bucket is if S3 redirects, and the sessions of directory buckets (utils.py).
    "s3": {"CreateSession", "HeadBucket"}
}
"""The operations of a service that are called by libraries, and not by a source of ours."""

READ: Final[Mapping[str, Mapping[str, set[str]]]] = {
    "cloudfront": {
        # Not OriginGroups: they are of origins that are in Origins.
        "DistributionSummary": {"ARN", "ConnectionMode", "Enabled", "Id", "Origins"},
        "DistributionTenantSummary": {"Id"},
        "Origin": {"DomainName", "Id", "OriginPath"},
    },
    "s3": {
        "DeleteMarkerEntry": {"Key", "LastModified", "VersionId"},
        "Object": {"Key", "LastModified"},
        "ObjectVersion": {"ETag", "Key", "LastModified", "Size", "StorageClass", "VersionId"},
    },
}
"""The members that are read of those structures of a service that come in lists, by the structure's name."""


def cut(model: _Json, operations: set[str], members: Mapping[str, set[str]]) -> _Json:
    """Return a service model with these operations only, and the shapes that they reach, without documentation.

    ``model`` is the content of a ``service-2.json``. Of the structures named in ``members`` only these members stay,
    unless an operation takes the structure as input. All else stays as it is. Raises ValueError if the service has not
    all of the operations.
    """
    if missing := operations - model["operations"].keys():
        raise ValueError(f"{model['metadata']['serviceId']} has no operation {', '.join(sorted(missing))}")
    kept = {name: operation for name, operation in model["operations"].items() if name in operations}
    shapes = _with_fewer_members(kept, model["shapes"], members)
    reached = _reached((reference for operation in kept.values() for reference in _references(operation)), shapes)
    shapes = {name: shape for name, shape in shapes.items() if name in reached}
    # Elsewhere it stays, since botocore reads that of clientContextParams (model.py).
    without = _without_documentation({"operations": kept, "shapes": shapes})
    return {name: without.get(name, value) for name, value in model.items() if name != "documentation"}


def operations_called(sources: Iterable[str], model: _Json) -> set[str]:
    """Return the operations of a service whose method is an attribute somewhere in the sources of Python programs."""
    attributes = frozenset[str]().union(*map(_attributes, sources))
    return {name for name in model["operations"] if method_name(name) in attributes}


def method_name(operation: str) -> str:
    """Return the name of the method of an SDK client that calls an operation, as botocore's ``xform_name`` makes it."""
    # botocore, too, knows the name of OpenTelemetry by heart.
    apart = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", operation.replace("OTel", "Otel"))
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", apart).lower()


def data_files(source: Path, services: Mapping[str, set[str]]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each data file that clients of some services read, cut to some operations.

    ``source`` is the data folder of botocore, to which the names are relative; ``services`` has the operations of each
    service. What botocore adds to its models, in ``.sdk-extras.json``, is in the models. Raises ValueError if a service
    has not all of its operations, OSError if a file is missing.
    """
    prefixes = set()
    for service, operations in services.items():
        version = _newest(source / service)
        model = read_model(source, service)
        prefixes.add(model["metadata"]["endpointPrefix"])
        yield f"{service}/{version}/service-2.json", _compact(cut(model, operations, READ.get(service, {})))
        rules = f"{service}/{version}/endpoint-rule-set-1"
        yield f"{rules}.json", _compact(_read(source / rules))
    yield "endpoints.json", _compact(_of_services(_read(source / "endpoints"), prefixes))
    retries = _read(source / "_retry")
    kept = {name: policy for name, policy in retries["retry"].items() if name in {"__default__", *prefixes}}
    yield "_retry.json", _compact(retries | {"retry": kept})
    for name in ("partitions", "sdk-default-configuration"):
        yield f"{name}.json", _compact(_read(source / name))


def read_model(source: Path, service: str) -> _Json:
    """Return the newest model of a service in the data folder of botocore, with what botocore adds to it."""
    place = source / service / _newest(source / service)
    model = _read(place / "service-2")
    if (place / "service-2.sdk-extras.json").exists():
        _merge(model, _read(place / "service-2.sdk-extras")["merge"])
    return model


@cache
def _attributes(source: str) -> frozenset[str]:
    return frozenset(node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute))


def _newest(folder: Path) -> str:
    return max(file.parent.name for file in folder.glob("*/service-2.json*"))


def _read(place: Path) -> _Json:
    """Read a file of JSON, which may be compressed. ``place`` is without the ends of its name."""
    plain = Path(f"{place}.json")
    content = plain.read_bytes() if plain.exists() else gzip.decompress(Path(f"{place}.json.gz").read_bytes())
    read: _Json = json.loads(content)
    return read


def _compact(content: _Json) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _merge(into: _Json, extra: _Json) -> None:
    """Merge as botocore's ``deep_merge`` does."""
    for name, value in extra.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def _of_services(endpoints: _Json, prefixes: set[str]) -> _Json:
    """Return the endpoints of the services with these prefixes, in all partitions."""
    partitions = [
        partition | {"services": {name: told for name, told in partition["services"].items() if name in prefixes}}
        for partition in endpoints["partitions"]
    ]
    return endpoints | {"partitions": partitions}


def _with_fewer_members(operations: _Json, shapes: _Json, members: Mapping[str, set[str]]) -> _Json:
    """Return all shapes, those named in ``members`` with these members only if they are no input of the operations."""
    inputs = _reached((operation["input"] for operation in operations.values() if "input" in operation), shapes)
    fewer = {name: _with_members(shapes[name], members[name]) for name in (members.keys() & shapes.keys()) - inputs}
    return {name: fewer.get(name, shape) for name, shape in shapes.items()}


def _with_members(shape: _Json, names: set[str]) -> _Json:
    """Return a structure with some of its members; one that is the whole body of an answer always stays."""
    names = {*names, shape.get("payload", "")}
    fewer = shape | {"members": {name: member for name, member in shape["members"].items() if name in names}}
    if "required" in shape:
        fewer["required"] = [name for name in shape["required"] if name in names]
    return fewer


def _reached(references: Iterable[_Json], shapes: _Json) -> set[str]:
    """Return the names of the shapes that are referred to, directly or not."""
    found, waiting = set[str](), [reference["shape"] for reference in references]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [reference["shape"] for reference in _references(shapes[name])]
    return found


def _references(holder: _Json) -> Iterator[_Json]:
    """Yield the references of an operation, or of a shape, to shapes."""
    yield from (holder[name] for name in ("input", "output", "member", "key", "value") if name in holder)
    yield from holder.get("errors", ())
    yield from holder.get("members", {}).values()


def _without_documentation(node: Any) -> Any:
    """Return JSON without the texts named ``documentation``. A member of that name is no text, and stays."""
    if isinstance(node, list):
        return [_without_documentation(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = ((name, value) for name, value in node.items() if not (name == "documentation" and isinstance(value, str)))
    return {name: _without_documentation(value) for name, value in kept}
