"""The strict CloudFront over HTTP on loopback, so that the real SDK signs, sends and parses."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from botocore import xform_name
from botocore.exceptions import ClientError

from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.loopback import Quiet, serving
from tests.doubles.sdk import operation_model

_NAMESPACE = "http://cloudfront.amazonaws.com/doc/2020-05-31/"


@contextmanager
def serve(cloudfront: StrictCloudFront) -> Iterator[str]:
    """Serve it on loopback. Yield the URL of the endpoint."""
    with serving(answering_as(cloudfront)) as address:
        yield f"http://{address}"


def answering_as(cloudfront: StrictCloudFront) -> type[Quiet]:
    """Return a handler of requests that answers as CloudFront does."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            if "Authorization" not in self.headers:
                self.respond(403, _refusal("MissingAuthenticationToken", "Missing Authentication Token"))
                return
            self.respond(*_answer(cloudfront, self.command, self.path, self.body()))

        do_POST = do_GET  # noqa: N815 the name that the server looks for

    return Handler


def _answer(cloudfront: StrictCloudFront, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """Find the operation of a request, call it, and encode its answer as XML, all by the SDK's own model."""
    name, arguments = _route(method, path)
    operation = operation_model("cloudfront", name)
    payload = operation.input_shape.serialization.get("payload")
    if payload:
        arguments[payload] = _from_xml(ET.fromstring(body), operation.input_shape.members[payload])  # noqa: S314 written by the SDK of this very process
    elif body:
        content = _from_xml(ET.fromstring(body), operation.input_shape)  # noqa: S314
        arguments |= content
    try:
        answer = getattr(cloudfront, xform_name(name))(**arguments)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        return error.response["ResponseMetadata"]["HTTPStatusCode"], _refusal(code, message)
    payload = operation.output_shape.serialization.get("payload")
    shape, content = operation.output_shape, answer
    if payload:
        shape, content = shape.members[payload], answer[payload]
    tree = _to_xml(content, shape, payload or f"{name}Result")
    tree.set("xmlns", _NAMESPACE)
    return operation.http.get("responseCode", 200), ET.tostring(tree)


def _refusal(code: str, message: str) -> bytes:
    return (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    ).encode()


_SERVED = (
    "CreateInvalidation",
    "CreateInvalidationForDistributionTenant",
    "GetInvalidation",
    "GetInvalidationForDistributionTenant",
    "ListInvalidations",
    "ListInvalidationsForDistributionTenant",
    "GetDistributionConfig",
    "GetDistributionTenant",
    "GetCachePolicyConfig",
    "ListDistributions",
    "ListDistributionTenants",
    "ListTagsForResource",
)


def _route(method: str, url: str) -> tuple[str, dict[str, Any]]:
    """Return the operation, and the arguments that are in the URL."""
    path, _, query = url.partition("?")
    for name in _SERVED:
        operation = operation_model("cloudfront", name)
        template = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.http["requestUri"].partition("?")[0])
        found = re.fullmatch(template, path)
        if found and operation.http["method"] == method:
            return name, {**found.groupdict(), **dict(parse_qsl(query))}
    raise AssertionError(f"unexpected call: {method} {url}")


def _from_xml(tree: ET.Element, shape: Any) -> Any:
    match shape.type_name:
        case "structure":
            members = {member.serialization.get("name", name): name for name, member in shape.members.items()}
            names = [(members[child.tag.removeprefix(f"{{{_NAMESPACE}}}")], child) for child in tree]
            return {name: _from_xml(child, shape.members[name]) for name, child in names}
        case "list":
            return [_from_xml(child, shape.member) for child in tree]
        case "integer":
            return int(tree.text or "")
    return tree.text or ""


def _to_xml(value: Any, shape: Any, name: str) -> ET.Element:
    tree = ET.Element(name)
    match shape.type_name:
        case "structure":
            for key, content in value.items():
                member = shape.members[key]  # KeyError: the SDK does not know such a member
                tree.append(_to_xml(content, member, member.serialization.get("name", key)))
        case "list":
            for content in value:
                tree.append(_to_xml(content, shape.member, shape.member.serialization.get("name", "member")))
        case "boolean":
            tree.text = "true" if value else "false"
        case "timestamp":
            tree.text = value.isoformat()
        case _:
            tree.text = str(value)
    return tree
