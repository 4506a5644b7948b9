"""Clients with the data of botocore that is cut ask and read as clients with the whole do."""

import inspect
import io
import json
import uuid
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import utils, xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.serialize import create_serializer

from deploy.bundle import services_of
from deploy.sdk_data import CALLED_FOR_US, READ, cut, data_files, method_name, operations_called, read_model
from deploy.zips import FUNCTIONS
from invalidator.aws import sdk
from invalidator.aws.cloudfront import CloudFront
from invalidator.aws.listings import Bounds, Listings
from invalidator.distributions.catalog import Catalog, Found
from invalidator.model import DistributionId, ObjectChange, ObjectKey, Origin
from invalidator.settings.environment import Settings
from tests.doubles import cloudfront_http, versioned_s3
from tests.doubles.clock import Calls, Clock
from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.configurations import behavior, configuration, custom, group, listed, of_buckets, with_oac
from tests.doubles.versioned_s3 import NOW, VersionedS3
from tests.laws.imports import FILES, packaged_with

WHOLE = Path(botocore.__file__).parent / "data"
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
MODULES = set[str]().union(*(packaged_with(module.removeprefix("invalidator.")) for module, _ in FUNCTIONS.values()))
DEPLOYED = [FILES[module].read_text() for module in sorted(MODULES)]

CALLED = {
    "cloudfront": {
        *("CreateInvalidation", "CreateInvalidationForDistributionTenant", "GetCachePolicyConfig"),
        *("GetDistributionConfig", "GetDistributionTenant", "GetInvalidation"),
        *("GetInvalidationForDistributionTenant", "ListDistributions", "ListDistributionTenants"),
        *("ListInvalidations", "ListInvalidationsForDistributionTenant", "ListTagsForResource"),
    },
    # The tags are those of CloudFront: a service has an operation of that name, too.
    "cloudwatch": {"GetMetricStatistics", "ListTagsForResource"},
    "codepipeline": {"PutJobFailureResult", "PutJobSuccessResult", "ListTagsForResource"},
    "events": {"DescribeRule", "ListTagsForResource"},
    "lambda": {"GetEventSourceMapping", "GetPolicy", "Invoke"},
    "s3": {
        *("GetBucketLocation", "GetBucketNotificationConfiguration", "HeadObject"),
        *("ListObjectVersions", "ListObjectsV2", "PutBucketNotificationConfiguration"),
    },
    "secretsmanager": {"GetSecretValue"},
    "sqs": {"GetQueueAttributes", "GetQueueUrl", "SendMessageBatch"},
    "ssm": {"GetParameter", "ListTagsForResource", "PutParameter"},
}
KEPT = {service: operations | CALLED_FOR_US.get(service, set()) for service, operations in CALLED.items()}
CALLS = [(service, operation) for service in KEPT for operation in sorted(KEPT[service])]


@cache
def whole_model(service: str) -> Any:
    return read_model(WHOLE, service)


# --- the model ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", CALLED)
def test_a_method_has_the_name_that_botocore_gives_it(service: str) -> None:
    for operation in whole_model(service)["operations"]:
        assert method_name(operation) == xform_name(operation)


@pytest.mark.parametrize("service", CALLED)
def test_the_operations_are_those_that_the_deployed_modules_call(service: str) -> None:
    assert operations_called(DEPLOYED, whole_model(service)) == CALLED[service]


def test_the_services_are_those_of_which_the_deployed_modules_make_clients() -> None:
    assert services_of(DEPLOYED) == set(CALLED)
    made = (
        'sdk.client("a", attempts=1)\nself._client_of("b", "")\nclient_of("c", "")\n_client("d")\nclient(e)\nx.of("f")'
    )
    assert services_of([made]) == {"a", "b", "c", "d"}


def test_what_the_sdk_calls_by_itself_is_kept() -> None:
    assert operations_called([inspect.getsource(utils)], whole_model("s3")) == CALLED_FOR_US["s3"]


def test_words_are_no_calls() -> None:
    model: dict[str, Any] = {"operations": {"GetIt": {}, "PutIt": {}, "GetThem": {}}}
    assert operations_called(['x.get_it(1)\n"a.put_it()"\nget_them()  # a.get_them()\n', "y = x.put"], model) == {
        "GetIt"
    }


def test_a_model_is_cut_to_what_its_operations_reach() -> None:
    model: dict[str, Any] = {
        "version": "2.0",
        "documentation": "It.",
        "metadata": {"serviceId": "S"},
        "clientContextParams": {"Fast": {"type": "boolean", "documentation": "Is it?"}},
        "operations": {
            "Get": {
                "name": "Get",
                "documentation": "Gets.",
                "input": {"shape": "Tree", "documentation": "What."},
                "output": {"shape": "Page"},
                "errors": [{"shape": "Gone", "documentation": "Not there."}],
                "httpChecksum": {"requestChecksumRequired": True},
            },
            "Put": {"name": "Put", "input": {"shape": "Only"}},
        },
        "shapes": {
            "Tree": {"type": "structure", "members": {"Trees": {"shape": "Trees"}, "documentation": {"shape": "Text"}}},
            "Trees": {"type": "list", "member": {"shape": "Tree"}},
            "Text": {"type": "string", "documentation": "Text.", "enum": ["documentation"]},
            "Page": {
                "type": "structure",
                "required": ["A", "B", "C"],
                "members": {"A": {"shape": "Tree"}, "B": {"shape": "Number"}, "C": {"shape": "Map"}},
                "payload": "C",
            },
            "Map": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Value"}},
            "Value": {"type": "blob", "streaming": True},
            "Number": {"type": "integer"},
            "Gone": {"type": "structure", "members": {}, "exception": True, "documentation": "Gone."},
            "Only": {"type": "structure", "members": {}},
        },
    }
    before = deepcopy(model)
    assert cut(model, {"Get"}, {"Page": {"A"}, "Tree": {"Trees"}, "Only": {"A"}, "Missing": {"A"}}) == {
        "version": "2.0",
        "metadata": {"serviceId": "S"},
        "clientContextParams": {"Fast": {"type": "boolean", "documentation": "Is it?"}},
        "operations": {
            "Get": {
                "name": "Get",
                "input": {"shape": "Tree"},
                "output": {"shape": "Page"},
                "errors": [{"shape": "Gone"}],
                "httpChecksum": {"requestChecksumRequired": True},
            }
        },
        "shapes": {
            # It is input, and so stays as it is.
            "Tree": {"type": "structure", "members": {"Trees": {"shape": "Trees"}, "documentation": {"shape": "Text"}}},
            "Trees": {"type": "list", "member": {"shape": "Tree"}},
            "Text": {"type": "string", "enum": ["documentation"]},
            "Page": {
                "type": "structure",
                "required": ["A", "C"],
                "members": {"A": {"shape": "Tree"}, "C": {"shape": "Map"}},
                "payload": "C",
            },
            "Map": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Value"}},
            "Value": {"type": "blob", "streaming": True},
            "Gone": {"type": "structure", "members": {}, "exception": True},
        },
    }
    assert model == before


def test_an_operation_that_the_service_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="SQS has no operation GetMessage, PutMessage"):
        cut(whole_model("sqs"), {"GetMessage", "PutMessage", "SendMessage"}, {})


@pytest.mark.parametrize("service", CALLED)
def test_only_the_structures_that_are_named_lose_members(service: str) -> None:
    whole, small = whole_model(service), cut(whole_model(service), KEPT[service], READ.get(service, {}))
    fewer = {}
    for name, shape in small["shapes"].items():
        members = set(shape.get("members", ()))
        if members != set(whole["shapes"][name].get("members", ())):
            fewer[name] = members
    assert fewer == READ.get(service, {})
    assert small.keys() == whole.keys() - {"documentation"}


# --- the clients ----------------------------------------------------------------------------------------


def loader_of(folder: Path) -> Loader:
    """Return a loader of the data in a folder, which is botocore's own for it."""
    loader = Loader([str(folder)], include_default_search_paths=False)
    loader.BUILTIN_DATA_PATH = str(folder)
    return loader


@pytest.fixture(scope="module")
def loaders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Loader, Loader]:
    """Return a loader of the whole data, and of what is cut."""
    folder = tmp_path_factory.mktemp("data")
    for name, content in data_files(WHOLE, KEPT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return loader_of(WHOLE), loader_of(folder)


@pytest.fixture(autouse=True)
def same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the SDK sign all requests at the same time, with the same number."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOON.replace(tzinfo=None))
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=1))


class Body(io.BytesIO):
    """The body of an answer, as urllib3 has it."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


Reply = tuple[int, dict[str, str], bytes]
"""The status, headers and body of an answer."""


class Wire:
    """Answers the requests of a client in its turn, and keeps them. After the last answer there is none."""

    def __init__(self, *replies: Reply) -> None:
        self.replies, self.requests = list(replies), list[Any]()

    def send(self, request: AWSPreparedRequest, **_: object) -> Any:
        self.requests.append((request.method, request.url, dict(request.headers), request.body))
        if not self.replies:
            raise ConnectionError("no answer")
        status, headers, body = self.replies.pop(0)
        return AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), Body(body))


def client_of(loader: Loader, service: str, wire: Wire | None = None, region: str = "us-east-1", **options: Any) -> Any:
    """Return a client whose requests go over a wire of the test, or else to where they should."""
    session = botocore.session.get_session()
    session.register_component("data_loader", loader)
    if service == "s3":  # as it is where buckets are listed
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    config = sdk.config(attempts=1).merge(Config(**options))
    client = session.create_client(service, region_name=region, config=config)
    if wire:
        client.meta.events.register("before-send", wire.send)
    return client


def example(shape: Any, inside: tuple[str, ...] = ()) -> Any:
    """Return a value of a shape, with all that it may hold."""
    match shape.type_name:
        case "structure":
            members = {} if shape.name in inside else shape.members
            return {name: example(member, (*inside, shape.name)) for name, member in members.items()}
        case "list":
            return [example(shape.member, inside)] * 2
        case "map":
            return {example(shape.key, inside): example(shape.value, inside)}
        case "string":
            return shape.enum[0] if shape.enum else "a" * max(3, shape.metadata.get("min", 0))
    plain = {"blob": b"blob", "boolean": True, "timestamp": NOON, "integer": 7, "long": 7, "float": 1.5, "double": 1.5}
    return plain[shape.type_name]


def requests_of(loader: Loader, service: str, region: str, **options: Any) -> list[Any]:
    """Return the requests of all calls, or why there is none."""
    wire = Wire()
    try:
        client = client_of(loader, service, wire, region, **options)
    except BotoCoreError as error:
        return [repr(error)]
    for operation in sorted(KEPT[service]):
        shape = ServiceModel(whole_model(service), service).operation_model(operation).input_shape
        try:
            getattr(client, xform_name(operation))(**example(shape))
        except ConnectionError:
            pass
        except (BotoCoreError, ClientError) as error:
            wire.requests.append(repr(error))
    return wire.requests


@pytest.mark.parametrize("service", CALLED)
@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1"])
def test_the_requests_are_the_same_byte_for_byte(loaders: tuple[Loader, Loader], service: str, region: str) -> None:
    for fips in (False, True):
        for dualstack in (False, True):
            options = {"use_fips_endpoint": fips, "use_dualstack_endpoint": dualstack}
            whole, small = (requests_of(loader, service, region, **options) for loader in loaders)
            assert whole == small
            assert len(whole) == len(KEPT[service]) or len(whole) == 1
            assert fips or dualstack or not [request for request in whole if isinstance(request, str)]


@pytest.mark.parametrize(
    "bucket",
    [
        "with.dots",
        "arn:aws:s3:us-west-2:111122223333:accesspoint/files",
        "arn:aws:s3::111122223333:accesspoint/files.mrap",
        "arn:aws:s3-outposts:us-west-2:111122223333:outpost/op-01234567890123456/accesspoint/files",
    ],
)
def test_the_endpoints_of_buckets_are_the_same(loaders: tuple[Loader, Loader], bucket: str) -> None:
    asked = []
    for loader in loaders:
        wire = Wire()
        try:
            client_of(loader, "s3", wire).list_objects_v2(Bucket=bucket)
        except (ConnectionError, BotoCoreError) as error:
            wire.requests.append(repr(error))
        asked.append(wire.requests)
    assert asked[0] == asked[1]


REDIRECTS: Reply = (
    301,
    {"x-amz-bucket-region": "eu-west-1"},
    b"<Error><Code>PermanentRedirect</Code><Message>There</Message><Bucket>origin</Bucket></Error>",
)
SESSION: Reply = (
    200,
    {},
    b"<CreateSessionResult><Credentials><SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey>"
    b"<AccessKeyId>a</AccessKeyId><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></CreateSessionResult>",
)


@pytest.mark.parametrize(
    ("bucket", "replies", "hosts"),
    [
        ("origin", [REDIRECTS], ["origin.s3.amazonaws.com", "origin.s3.eu-west-1.amazonaws.com"]),
        (
            "origin",
            [(REDIRECTS[0], {}, REDIRECTS[2]), (301, {"x-amz-bucket-region": "eu-west-1"}, b"")],
            ["origin.s3.amazonaws.com"] * 2 + ["origin.s3.eu-west-1.amazonaws.com"],
        ),
        ("fast--use1-az4--x-s3", [SESSION], ["fast--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com"] * 2),
    ],
)
def test_what_botocore_asks_by_itself_is_the_same(
    loaders: tuple[Loader, Loader], bucket: str, replies: list[Reply], hosts: list[str]
) -> None:
    wires = [Wire(*replies), Wire(*replies)]
    for loader, wire in zip(loaders, wires, strict=True):
        with pytest.raises(ConnectionError):
            client_of(loader, "s3", wire).list_objects_v2(Bucket=bucket)
    assert wires[0].requests == wires[1].requests
    assert [url.split("/")[2] for _, url, _, _ in wires[0].requests] == hosts


# --- answers --------------------------------------------------------------------------------------------


def reply(service: str, operation: str) -> Reply:
    """Encode all that an operation may answer, as if it were its input."""
    model = whole_model(service)
    if "output" not in model["operations"][operation]:
        return 200, {}, b""
    output = model["operations"][operation]["output"]["shape"]
    shape = model["shapes"][output]
    if "payload" in shape:  # which has no name where it comes as an answer
        payload = {shape["payload"]: shape["members"][shape["payload"]] | {"locationName": shape["payload"]}}
        shape = shape | {"members": shape["members"] | payload}
    turned = {"name": operation, "http": {"method": "POST", "requestUri": "/"}}
    turned |= {"input": {"shape": output, "locationName": "Result"}}
    changed = {"operations": {operation: turned}, "shapes": model["shapes"] | {output: shape}}
    service_model = ServiceModel(model | changed, service)
    turned_model = service_model.operation_model(operation)
    serializer = create_serializer(service_model.resolved_protocol, include_validation=False)
    request = serializer.serialize_to_request(example(turned_model.input_shape), turned_model)
    body = request["body"]
    return 200, dict(request["headers"]), body.encode() if isinstance(body, str) else body


def left_of(value: Any, shape: Any) -> Any:
    """Return those parts of a parsed answer that a model knows."""
    match getattr(shape, "type_name", ""):
        case "structure":
            return {name: left_of(value[name], member) for name, member in shape.members.items() if name in value}
        case "list":
            return [left_of(item, shape.member) for item in value]
        case "map":
            return {key: left_of(item, shape.value) for key, item in value.items()}
    return value


@pytest.mark.parametrize(("service", "operation"), CALLS)
def test_what_is_kept_of_answers_has_the_same_values(
    loaders: tuple[Loader, Loader], service: str, operation: str
) -> None:
    parsed, models = [], []
    for loader in loaders:
        client = client_of(loader, service, Wire(reply(service, operation)))
        model = client.meta.service_model.operation_model(operation)
        parsed.append(getattr(client, xform_name(operation))(**example(model.input_shape)))
        models.append(model.output_shape)
    for answer in parsed:  # a body may have to be read
        answer |= {name: value.read() for name, value in answer.items() if hasattr(value, "read")}
    whole, small = parsed
    assert small.pop("ResponseMetadata") == whole.pop("ResponseMetadata")
    extra = {name: value for name, value in whole.items() if name == "ExpiresString"}
    assert small == left_of(whole, models[1]) | extra
    told = len(models[0].members) if models[0] else 0
    assert len(whole) - len(extra) == told


def refusal(service: str, code: str) -> Reply:
    protocol = ServiceModel(whole_model(service), service).resolved_protocol
    if protocol == "rest-xml":
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>No</Message></Error>"
        return 400, {}, (error if service == "s3" else f"<ErrorResponse>{error}</ErrorResponse>").encode()
    if protocol in {"json", "rest-json"}:
        return 400, {}, json.dumps({"__type": f"com.amazonaws#{code}", "message": "No"}).encode()
    texts = [b"__type", code.encode(), b"message", b"No"]
    encoded = b"\xa2" + b"".join(b"\x78" + bytes([len(text)]) + text for text in texts)
    return 400, {"smithy-protocol": "rpc-v2-cbor"}, encoded


@pytest.mark.parametrize(("service", "operation"), CALLS)
def test_errors_are_read_in_the_same_way(loaders: tuple[Loader, Loader], service: str, operation: str) -> None:
    named = ServiceModel(whole_model(service), service).operation_model(operation)
    errors: list[Any] = named.error_shapes
    own = [shape.error_code for shape in errors]
    codes = [*own, "ThrottlingException", "AccessDenied"]
    raised: list[list[ClientError]] = []
    for loader in loaders:
        client = client_of(loader, service, Wire(*(refusal(service, code) for code in codes)))
        raised.append([])
        for _ in codes:
            with pytest.raises(ClientError) as caught:
                getattr(client, xform_name(operation))(**example(named.input_shape))
            raised[-1].append(caught.value)
    for code, whole, small in zip(codes, *raised, strict=True):
        assert (sdk.code_of(whole), sdk.message_of(whole)) == (sdk.code_of(small), sdk.message_of(small))
        assert sdk.code_of(small) == code
        assert whole.response["ResponseMetadata"] == small.response["ResponseMetadata"]
        # One that an operation does not name has a class of its own only in the whole model, for others that do.
        assert type(whole).__name__ == type(small).__name__ or code not in own
        assert whole.response == small.response or code not in own


# --- what the function reads ----------------------------------------------------------------------------


def an_account() -> StrictCloudFront:
    """Return an account with distributions of all kinds, which differ in what is read of them."""
    tagged = of_buckets("origin", "other")
    behind_group = configuration(
        [with_oac("a", "origin.s3.amazonaws.com", "/shop"), custom("b", "example.com")],
        behavior("all"),
        behavior("a", PathPattern="/x/*"),
        OriginGroups=listed(group("all", "a", "b")),
    )
    return StrictCloudFront(
        (),
        configs={
            "E1": tagged,
            "E2": of_buckets("origin") | {"ConnectionMode": "tenant-only"},
            "E3": of_buckets("origin") | {"Enabled": False},
            "E4": of_buckets("foreign"),
            "E5": of_buckets("origin"),
            "E6": behind_group,
        },
        tenants={"dt_1": ("E2", {}), "dt_2": ("E2", {})},
        tags={id_: {"invalidate": "yes"} for id_ in ("E1", "E2", "E3", "E4", "E6")},
    )


def test_the_same_distributions_are_discovered(loaders: tuple[Loader, Loader], monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Found] = []
    with cloudfront_http.serve(an_account()) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        for loader in loaders:
            account = CloudFront(client_of(loader, "cloudfront"))
            config = Settings((), discover=True, discover_tag="invalidate=yes", describe=True)
            asked = {DistributionId(id_): False for id_ in ("E4", "E5", "dt_2", "E9")}
            found.append(Catalog(account, lambda: 0.0).look_up(config, {"origin"}, Calls(Clock()), 10.0, asked))
    whole, small = found
    assert small == whole
    assert sorted(whole.discovered) == ["E1", "E6", "dt_1", "dt_2"]
    assert whole.strangers == {"E5", "E9"}
    (shop,) = [one.site.behaviors[0].origins for one in whole.known if one.id == "E6"]
    assert shop == (Origin("origin", "/shop"),)


def test_the_same_uploads_count_as_unchanged(loaders: tuple[Loader, Loader], monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = VersionedS3()
    written: dict[str, list[tuple[bytes | None, str]]] = {
        "same": [(b"1", "STANDARD"), (b"1", "STANDARD")],
        "other bytes": [(b"1", "STANDARD"), (b"2", "STANDARD")],
        "other size": [(b"1", "STANDARD"), (b"11", "STANDARD")],
        "archived": [(b"1", "GLACIER"), (b"1", "GLACIER")],
        "removed between": [(b"1", "STANDARD"), (None, ""), (b"1", "STANDARD")],
    }
    changes = []
    for key, versions in written.items():
        for body, storage in versions:
            version = s3.write(key, body, storage=storage)
        time = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
        changes.append(ObjectChange("origin", ObjectKey(key), key, time=time, version=version))
    compared, pages = [], []
    with versioned_s3.serve(s3) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        for loader in loaders:
            listings = Listings(client_of(loader, "s3"), lambda: 0.0, lambda: NOW)
            compared.append(listings.unchanged(changes, Bounds(9, 1.0), metadata=False))
            pages.append(list(listings.pages("origin", "", Bounds(9, 1.0), NOW, lambda key: key != "same")))
    assert compared[0] == compared[1] == (frozenset(changes[:1]), ())
    assert pages[0] == pages[1] == [["same"]]
