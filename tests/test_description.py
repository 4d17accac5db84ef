"""The description says what servers say, what the official package has, and keeps its own rules.

The truth is in two places: the traffic of a real server in ``captures/`` and the fields of its
types in ``data/api-fields.json``. Everything is compared with the description in both directions
where that is possible, and each difference that stays is in a table here, with its reason.
"""

import base64
import copy
import http.client
import inspect
import io
import json
import keyword
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

import pytest

yaml = pytest.importorskip("yaml")
jsonschema = pytest.importorskip("jsonschema")
openapi_spec_validator = pytest.importorskip("openapi_spec_validator")

HERE = Path(__file__).parent
DOCUMENT: Dict[str, Any] = yaml.safe_load(
    (HERE.parent / "openapi" / "ollama.yaml").read_text(encoding="utf-8")
)
SCHEMAS: Dict[str, Any] = DOCUMENT["components"]["schemas"]
RECORDS = {name: schema for name, schema in SCHEMAS.items() if "properties" in schema}
API_FIELDS: Dict[str, Any] = {
    name: fields
    for name, fields in json.loads(
        (HERE / "data" / "api-fields.json").read_text(encoding="utf-8")
    ).items()
    if not name.startswith("$")
}
METHODS = ("get", "head", "post", "put", "patch", "delete")
PREFIX = "#/components/schemas/"

# What a local server routes, and what the official package asks for beyond that.
ROUTES = [
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/api/version"),
    ("HEAD", "/api/version"),
    ("GET", "/api/status"),
    ("POST", "/api/generate"),
    ("POST", "/api/chat"),
    ("POST", "/api/embed"),
    ("POST", "/api/embeddings"),
    ("POST", "/v1/systemone"),
    ("GET", "/api/tags"),
    ("HEAD", "/api/tags"),
    ("GET", "/api/ps"),
    ("POST", "/api/show"),
    ("POST", "/api/create"),
    ("POST", "/api/copy"),
    ("DELETE", "/api/delete"),
    ("POST", "/api/pull"),
    ("POST", "/api/push"),
    ("HEAD", "/api/blobs/{digest}"),
    ("POST", "/api/blobs/{digest}"),
    ("POST", "/api/me"),
    ("POST", "/api/signout"),
    ("DELETE", "/api/user/keys/{encoded_key}"),
    ("POST", "/api/experimental/web_search"),
    ("POST", "/api/experimental/web_fetch"),
    ("GET", "/api/experimental/model-recommendations"),
    ("POST", "/api/web_search"),
    ("POST", "/api/web_fetch"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/embeddings"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/audio/transcriptions"),
]

# The component that holds the fields of each of the server's types.
COMPONENT_OF_TYPE = {
    "StatusError": "ErrorResponse",
    "AuthorizationError": "ErrorResponse",
    "GenerateRequest": "GenerateRequest",
    "GenerateResponse": "GenerateResponse",
    "ChatRequest": "ChatRequest",
    "ChatResponse": "ChatResponse",
    "Message": "Message",
    "ToolCall": "Message.ToolCall",
    "ToolCallFunction": "Message.ToolCall.Function",
    "Tool": "Tool",
    "ToolFunction": "Tool.Function",
    "ToolFunctionParameters": "Tool.Function.Parameters",
    "ToolProperty": "Tool.Function.Parameters.Property",
    "TokenLogprob": "TokenLogprob",
    "Logprob": "Logprob",
    "DebugInfo": "DebugInfo",
    "Metrics": "ChatResponse",
    "Options": "Options",
    "Runner": "Options",
    "EmbedRequest": "EmbedRequest",
    "EmbedResponse": "EmbedResponse",
    "EmbeddingRequest": "EmbeddingsRequest",
    "EmbeddingResponse": "EmbeddingsResponse",
    "CreateRequest": "CreateRequest",
    "DeleteRequest": "DeleteRequest",
    "ShowRequest": "ShowRequest",
    "ShowResponse": "ShowResponse",
    "CopyRequest": "CopyRequest",
    "PullRequest": "PullRequest",
    "PushRequest": "PushRequest",
    "ProgressResponse": "ProgressResponse",
    "ListResponse": "ListResponse",
    "ListModelResponse": "ListResponse.Model",
    "ProcessResponse": "ProcessResponse",
    "ProcessModelResponse": "ProcessResponse.Model",
    "ModelDetails": "ModelDetails",
    "Tensor": "Tensor",
    "ModelRecommendation": "ModelRecommendation",
    "ModelRecommendationsResponse": "ModelRecommendationsResponse",
    "CloudStatus": "CloudStatus",
    "StatusResponse": "CloudStatusResponse",
    "WebSearchRequest": "WebSearchRequest",
    "WebSearchResult": "WebSearchResult",
    "WebSearchResponse": "WebSearchResponse",
    "WebFetchRequest": "WebFetchRequest",
    "WebFetchResponse": "WebFetchResponse",
    "UserResponse": "UserResponse",
}
TYPES_WITHOUT_COMPONENT = {
    "TokenResponse": "no endpoint answers with it",
    "ThinkValue": "on the wire it is a boolean or a string",
    "Duration": "on the wire it is a number or a string",
    "ToolCallFunctionArguments": "on the wire it is an object without fixed members",
    "ToolPropertiesMap": "on the wire it is a map of ToolProperty",
}

# How a type of the server reads in JSON Schema; the types not listed here are structures.
JSON_TYPE_OF_GO = {
    "string": {"string"},
    "uuid.UUID": {"string"},
    "bool": {"boolean"},
    "*bool": {"boolean"},
    "int": {"integer"},
    "*int": {"integer"},
    "int64": {"integer"},
    "float32": {"number"},
    "float64": {"number"},
    "time.Time": {"string"},
    "time.Duration": {"integer"},
    "*Duration": {"number", "string"},
    "*ThinkValue": {"boolean", "string"},
    "ImageData": {"string"},
    "uint64": {"integer"},
    "Capability": {"string"},
    "PropertyType": {"string", "array"},
    "ToolCallFunctionArguments": {"object"},
    "*ToolPropertiesMap": {"object"},
    "map[string]string": {"object"},
    "map[string]any": {"object"},
    "Tools": {"array"},
}
TYPES_OF_FIELDS_OF_ANY_TYPE = {
    ("GenerateRequest", "format"): {"string", "object"},
    ("ChatRequest", "format"): {"string", "object"},
    ("EmbedRequest", "input"): {"string", "array"},
    ("CreateRequest", "license"): {"string", "array"},
    ("Tool", "items"): set(),
    ("ToolProperty", "items"): set(),
    ("ToolFunctionParameters", "items"): set(),
    ("ToolFunctionParameters", "$defs"): set(),
}

MEMBERS_WITHOUT_EXAMPLE = {
    ("StatusResponse", "status"): "made by clients for answers with an empty body",
    ("Tool", "items"): "a member of the server's type that nothing uses",
    ("Tool.Function.Parameters", "items"): "a member of the server's type that nothing uses",
}

OFFICIAL_CLASSES_WITHOUT_COMPONENT = {
    "SubscriptableBaseModel": "base of all models, without fields",
    "BaseRequest": "base of requests, without an endpoint",
    "BaseStreamableRequest": "base of requests, without an endpoint",
    "BaseGenerateRequest": "base of requests, without an endpoint",
    "BaseGenerateResponse": "base of responses, without an endpoint",
    "Image": "on the wire it is a string",
}

REQUESTS_THAT_DO_NOT_FIT = {
    "chat-message-fields-null": "the server takes messages without role, and null for a message",
    "delete-name-alias": "only the older key `name`, which a client need not use",
    "pull-name-alias": "only the older key `name`, which a client need not use",
    "show-name-alias": "only the older key `name`, which a client need not use",
}
_ORIGIN = "a refused Host or Origin gets an empty 403 on every path"
_HTTP = "refused by the HTTP layer, before any operation"
RESPONSES_THAT_DO_NOT_FIT = {
    "cloud-chat-500": "the server relays whatever the cloud answers, here plain text",
    "http-absolute-form-refused": _ORIGIN,
    "http-host-refused": _ORIGIN,
    "http-host-refused-post": _ORIGIN,
    "http-origin-null": _ORIGIN,
    "http-origin-refused": _ORIGIN,
    "http-bad-header-name": _HTTP,
    "http-expect-unknown": _HTTP,
    "http-garbage": _HTTP,
    "http-h2-preface": _HTTP,
    "http-header-too-large": _HTTP,
    "http-tls-hello": _HTTP,
    "http-transfer-coding-unknown": _HTTP,
    "http-two-hosts": _HTTP,
}


# The operations whose failures are not told in the native form alone.
LANGUAGES = {
    "v1_chat_completions": {"OpenAIErrorResponse"},
    "v1_completions": {"OpenAIErrorResponse"},
    "v1_embeddings": {"OpenAIErrorResponse"},
    "v1_models": {"OpenAIErrorResponse"},
    "v1_model": {"OpenAIErrorResponse"},
    "v1_responses": {"OpenAIErrorResponse"},
    "v1_messages": {"AnthropicErrorResponse"},
    "v1_transcriptions": {"OpenAIErrorResponse"},
}


class Operation(NamedTuple):
    method: str
    path: str
    raw: Dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.raw["operationId"])

    @property
    def responses(self) -> Dict[str, Any]:
        return {status: resolved(answer) for status, answer in self.raw["responses"].items()}

    @property
    def request(self) -> Dict[str, Any]:
        content: Dict[str, Any] = self.raw.get("requestBody", {}).get("content", {})
        return content

    def matches(self, method: str, target: str) -> bool:
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(self.path))
        path = re.sub(r"^http://[^/]+", "", target).partition("?")[0]
        return method == self.method and re.fullmatch(pattern, path) is not None


def resolved(value: Dict[str, Any]) -> Dict[str, Any]:
    while "$ref" in value:
        target: Any = DOCUMENT
        for step in value["$ref"].lstrip("#/").split("/"):
            target = target[step]
        value = target
    return value


OPERATIONS = [
    Operation(method.upper(), path, item[method])
    for path, item in DOCUMENT["paths"].items()
    for method in METHODS
    if method in item
]
each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.id)
each_schema = pytest.mark.parametrize("name", SCHEMAS)
each_record = pytest.mark.parametrize("name", RECORDS)


def parts(value: Any, path: Tuple[Any, ...] = ()) -> Iterator[Tuple[Tuple[Any, ...], Any]]:
    """Every value inside of a JSON value, itself included, with the way to it."""
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from parts(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from parts(inner, (*path, index))


def subschemas(schema: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """A schema and all schemas written inside of it, without following references."""
    yield schema
    inner: List[Any] = list(schema.get("properties", {}).values())
    inner += schema.get("anyOf", [])
    inner += [schema[key] for key in ("items", "additionalProperties") if key in schema]
    for each in inner:
        if isinstance(each, dict):
            yield from subschemas(each)


def references(schema: Dict[str, Any]) -> List[str]:
    return [each["$ref"][len(PREFIX) :] for each in subschemas(schema) if "$ref" in each]


def json_types(schema: Dict[str, Any]) -> Set[str]:
    """The JSON types that a schema allows; none if it allows all of them."""
    if "$ref" in schema:
        return json_types(resolved(schema))
    if "anyOf" in schema:
        return set().union(*(json_types(each) for each in schema["anyOf"]))
    declared = schema.get("type", [])
    return {declared} if isinstance(declared, str) else set(declared)


def python_name(component: str, wire: str) -> str:
    return str(SCHEMAS[component]["properties"][wire].get("x-python-name", wire))


def closed(document: Dict[str, Any]) -> Dict[str, Any]:
    """The components with every record closed, to find members that nothing describes."""
    components = copy.deepcopy(document["components"])
    for schema in components["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return {"schemas": components["schemas"]}


CLOSED = closed(DOCUMENT)


def is_timestamp(value: object) -> bool:
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"
    return not isinstance(value, str) or re.fullmatch(form, value) is not None


FORMATS = jsonschema.FormatChecker(formats=())
FORMATS.checks("date-time")(is_timestamp)


def problems(value: Any, schema: Dict[str, Any], components: Dict[str, Any]) -> List[str]:
    """What keeps a value from fitting a schema of the document."""
    root = {"allOf": [schema], "components": components}
    validator = jsonschema.Draft202012Validator(root, format_checker=FORMATS)
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]


def item_schema(media: Dict[str, Any], line: Any) -> Dict[str, Any]:
    """The one alternative that a line is meant to be: no other member tells them apart."""
    item: Dict[str, Any] = media["itemSchema"]
    if "anyOf" not in item and "$ref" not in item:
        return item
    is_error = isinstance(line, dict) and "error" in line
    for alternative in item.get("anyOf", [item]):
        if (alternative["$ref"] == PREFIX + "ErrorResponse") == is_error:
            return dict(alternative)
    return item


class Example(NamedTuple):
    id: str
    value: Any
    schema: Dict[str, Any]


def event_data(media: Dict[str, Any], event: Any) -> List[Tuple[Any, Dict[str, Any]]]:
    """The object that a server-sent event holds as JSON text, if it holds one, and its schema."""
    described = media["itemSchema"].get("properties", {}).get("data", {})
    for data in described.get("anyOf", [described]):
        if "contentSchema" in data and event["data"] != "[DONE]":
            return [(json.loads(event["data"]), data["contentSchema"])]
    return []


def media_examples(where: str, content: Dict[str, Any]) -> Iterator[Example]:
    for media_type, media in content.items():
        for name, example in media.get("examples", {}).items():
            title = f"{where} {media_type.rpartition('/')[2]} {name}"
            if "itemSchema" in media:
                for number, line in enumerate(example["dataValue"]):
                    yield Example(f"{title} {number}", line, item_schema(media, line))
                    for value, schema in event_data(media, line):
                        yield Example(f"{title} {number} data", value, schema)
            elif media_type in ("application/json", "multipart/form-data"):
                yield Example(title, example["value"], media["schema"])


EXAMPLES = [
    example
    for operation in OPERATIONS
    for where, content in [
        (f"{operation.id} request", operation.request),
        *(
            (f"{operation.id} {status}", answer.get("content", {}))
            for status, answer in operation.responses.items()
        ),
    ]
    for example in media_examples(where, content)
]


class Exchange(NamedTuple):
    """One captured request and its answer, with the operation they belong to."""

    name: str
    operation: Operation
    request_body: Optional[bytes]
    status: int
    content_type: str
    body: bytes

    @property
    def capture(self) -> str:
        return self.name.partition("[")[0]

    @property
    def values(self) -> List[Any]:
        if self.content_type == "application/x-ndjson":
            return [json.loads(line) for line in self.body.split(b"\n") if line]
        if self.content_type == "text/event-stream":
            events = self.body.decode("utf-8").split("\n\n")
            return [
                dict(line.split(": ", 1) for line in event.split("\n")) for event in events if event
            ]
        return [json.loads(self.body)] if self.body else []


class _Received:
    """As much of a socket as ``http.client`` reads an answer from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def read_answer(raw: bytes, method: str) -> Tuple[str, bytes]:
    answer = http.client.HTTPResponse(_Received(raw), method=method)  # type: ignore[arg-type]
    answer.begin()
    try:
        body = answer.read()
    except http.client.IncompleteRead as error:
        body = error.partial
        # The line that was cut off is nobody's to judge.
        body = body[: body.rfind(b"\n") + 1]
    content_type = (answer.headers.get("Content-Type") or "").partition(";")[0].strip()
    answer.close()
    return content_type, body


def read_exchanges(file: Path) -> Iterator[Exchange]:
    capture = json.loads(file.read_text(encoding="ascii"))
    several = capture.get("exchanges")
    for number, exchange in enumerate(several or [capture]):
        request, response = exchange["request"], exchange["response"]
        method, path = request["method"], request["path"] or ""
        found = [operation for operation in OPERATIONS if operation.matches(method, path)]
        raw = base64.b64decode(response["raw_base64"])
        if not found or response["status"] is None:
            continue
        body = request["body"]
        is_text = body is not None and request.get("body_encoding") != "base64"
        content_type, answer = read_answer(raw, method)
        yield Exchange(
            name=f"{capture['name']}[{number}]" if several else capture["name"],
            operation=found[0],
            request_body=body.encode("utf-8", "surrogatepass") if is_text else None,
            status=response["status"],
            content_type=content_type,
            body=answer,
        )


EXCHANGES = [
    exchange
    for file in sorted((HERE / "captures").glob("*.json"))
    for exchange in read_exchanges(file)
]
# The cloud's paths are not there on a local server, which answers like for any unknown path.
LOCAL_EXCHANGES = [e for e in EXCHANGES if "servers" not in e.operation.raw]
REQUESTS = [
    e
    for e in LOCAL_EXCHANGES
    if 200 <= e.status < 300
    and e.request_body is not None
    and "application/json" in e.operation.request
]


def request_problems(exchange: Exchange) -> List[str]:
    value = json.loads(exchange.request_body or b"")
    schema = exchange.operation.request["application/json"]["schema"]
    return problems(value, schema, DOCUMENT["components"])


def response_problems(exchange: Exchange) -> List[str]:
    answer = exchange.operation.responses.get(str(exchange.status))
    if answer is None:
        return [f"status {exchange.status} is not described"]
    content = answer.get("content", {})
    if not exchange.body:
        streamed = exchange.content_type == "application/x-ndjson"
        empty = streamed or exchange.operation.method == "HEAD" or not content
        return [] if empty else ["the body is empty"]
    media = content.get(exchange.content_type)
    if media is None:
        return [f"type {exchange.content_type} is not described for {exchange.status}"]
    if exchange.content_type == "text/plain":
        return problems(exchange.body.decode(), media["schema"], DOCUMENT["components"])
    found: List[str] = []
    for value in exchange.values:
        schema = item_schema(media, value) if "itemSchema" in media else media["schema"]
        found += problems(value, schema, CLOSED)
        if "itemSchema" in media:
            for inner, inner_schema in event_data(media, value):
                found += problems(inner, inner_schema, CLOSED)
    return found


# The document


def test_the_description_is_valid_openapi_3_2() -> None:
    assert DOCUMENT["openapi"] == "3.2.0"
    openapi_spec_validator.validate(DOCUMENT)


def test_the_description_holds_nothing_that_json_cannot_hold() -> None:
    for path, value in parts(DOCUMENT):
        assert isinstance(value, (dict, list, str, int, float, bool, type(None))), path
        if isinstance(value, dict):
            assert all(isinstance(key, str) for key in value), path


def test_every_route_is_described_and_nothing_else() -> None:
    assert sorted((op.method, op.path) for op in OPERATIONS) == sorted(ROUTES)


def test_no_schema_and_no_response_is_unused() -> None:
    text = json.dumps(DOCUMENT)
    for kind, components in DOCUMENT["components"].items():
        if kind != "securitySchemes":
            for name in components:
                used = f'"#/components/{kind}/{name}"' in text
                assert used or name == "StatusResponse", name


# Schemas


@each_schema
def test_every_schema_has_a_description(name: str) -> None:
    assert is_sentence(SCHEMAS[name]["description"])


@each_record
def test_every_property_has_a_description(name: str) -> None:
    for wire, prop in SCHEMAS[name]["properties"].items():
        assert is_sentence(prop.get("description", "")), wire


def is_sentence(text: str) -> bool:
    return re.match(r"[A-Z`\"-]", text) is not None and text.rstrip().endswith((".", "`."))


@each_schema
def test_no_object_is_closed(name: str) -> None:
    for schema in subschemas(SCHEMAS[name]):
        assert schema.get("additionalProperties") is not False
        assert "unevaluatedProperties" not in schema
        assert "propertyNames" not in schema


@each_schema
def test_every_object_with_members_is_a_component_of_its_own(name: str) -> None:
    for schema in list(subschemas(SCHEMAS[name]))[1:]:
        assert "properties" not in schema


@each_schema
def test_schemas_are_flat(name: str) -> None:
    for schema in subschemas(SCHEMAS[name]):
        assert not {"allOf", "oneOf", "not", "if"} & set(schema)


@each_schema
def test_a_schema_stands_after_those_it_refers_to(name: str) -> None:
    order = list(SCHEMAS)
    for target in references(SCHEMAS[name]):
        assert order.index(target) <= order.index(name), target


@each_record
def test_required_properties_come_first(name: str) -> None:
    required = SCHEMAS[name].get("required", [])
    assert list(SCHEMAS[name]["properties"])[: len(required)] == required


def test_class_names_stay_distinct_without_their_dots() -> None:
    flat = [name.replace(".", "").lower() for name in SCHEMAS]
    assert len(set(flat)) == len(flat)


@each_record
def test_python_names_are_distinct_and_usable(name: str) -> None:
    names = [python_name(name, wire) for wire in SCHEMAS[name]["properties"]]
    assert len(set(names)) == len(names)
    for each in names:
        assert each.isidentifier()
        assert not each.startswith("_")
        assert not keyword.iskeyword(each)


def test_python_names_differ_from_wire_names_only_where_stated() -> None:
    renamed = {
        (name, wire): prop["x-python-name"]
        for name, schema in RECORDS.items()
        for wire, prop in schema["properties"].items()
        if "x-python-name" in prop
    }
    assert renamed == {
        ("ErrorResponse", "StatusCode"): "status_code",
        ("ErrorResponse", "Status"): "status",
        ("Tool.Function.Parameters", "$defs"): "defs",
        ("ChatCompletionRequest", "_debug_render_only"): "debug_render_only",
        ("ChatCompletion", "_debug_info"): "debug_info",
        ("CompletionRequest", "_debug_render_only"): "debug_render_only",
        ("GenerateRequest", "_debug_render_only"): "debug_render_only",
        ("GenerateResponse", "_debug_info"): "debug_info",
        ("ChatRequest", "_debug_render_only"): "debug_render_only",
        ("ChatResponse", "_debug_info"): "debug_info",
        ("ShowResponse", "model_info"): "modelinfo",
        ("CreateRequest", "from"): "from_",
    }


def request_schemas() -> Set[str]:
    found: Set[str] = set()
    waiting = [
        op.request["application/json"]["schema"]["$ref"][len(PREFIX) :]
        for op in OPERATIONS
        if "application/json" in op.request
    ]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += references(SCHEMAS[name])
    return found


@pytest.mark.parametrize("name", sorted(request_schemas() & set(RECORDS)))
def test_optional_members_of_requests_may_be_null(name: str) -> None:
    schema = SCHEMAS[name]
    for wire, prop in schema["properties"].items():
        types = json_types(prop)
        free = not types or "null" in types or "x-python-default" in prop
        assert free or wire in schema.get("required", []), wire


@each_record
def test_what_is_deprecated_says_why(name: str) -> None:
    for wire, prop in SCHEMAS[name]["properties"].items():
        if prop.get("deprecated"):
            reason = r"\d+\.\d+\.\d+|Older name of `\w+`|No version of the server"
            assert re.search(reason, prop["description"]), wire
        else:
            assert "Removed in" not in prop["description"], wire


@each_record
def test_members_that_measure_something_name_the_unit(name: str) -> None:
    for wire, prop in SCHEMAS[name]["properties"].items():
        if wire.endswith("_duration"):
            assert (prop["type"], prop["format"]) == ("integer", "int64"), wire
            assert "in nanoseconds" in prop["description"], wire
        if prop.get("x-python-type") == "ByteSize" or wire.endswith("_bytes"):
            assert (prop["type"], prop["format"]) == ("integer", "int64"), wire
            assert "in bytes" in prop["description"], wire


def test_members_that_end_in_at_are_timestamps() -> None:
    for name, schema in RECORDS.items():
        if name == "Response":
            continue  # its times are seconds since 1970
        for wire, prop in schema["properties"].items():
            assert (prop.get("format") == "date-time") == wire.endswith("_at"), (name, wire)
            if wire == "created_at":
                assert prop["x-python-type"] == "str", name


TYPE_OF_PYTHON_TYPE = {
    "ByteSize": "integer",
    "Image": "string",
    "JsonSchema": "object",
    "str": "string",
}


@each_record
def test_the_extensions_stand_where_they_mean_something(name: str) -> None:
    for wire, prop in SCHEMAS[name]["properties"].items():
        for each in subschemas(prop):
            keys = {key for key in each if key.startswith("x-")}
            allowed = {"x-python-type", "x-python-accepts"}
            if each is prop:
                allowed |= {"x-python-name", "x-python-default", "x-python-none", "x-python-added"}
            assert keys <= allowed, wire
            if "x-python-type" in keys:
                assert each["type"] == TYPE_OF_PYTHON_TYPE[each["x-python-type"]], wire
            if "x-python-accepts" in keys:
                assert each["x-python-accepts"] == "Callable", wire
                assert each is prop["items"], wire


def test_images_are_base64_lists() -> None:
    lists = [s["properties"]["images"] for s in RECORDS.values() if "images" in s["properties"]]
    assert len(lists) == 2
    for each in lists:
        assert each["items"]["contentEncoding"] == "base64"
        assert each["items"]["x-python-type"] == "Image"


# Operations


@each_operation
def test_every_operation_says_what_it_does(operation: Operation) -> None:
    assert is_sentence(operation.raw["summary"])
    assert is_sentence(operation.raw["description"])
    assert operation.raw["description"] != operation.raw["summary"]
    assert set(operation.raw["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}


def test_operations_have_names_of_their_own() -> None:
    ids = [operation.id for operation in OPERATIONS]
    assert len(set(ids)) == len(ids)
    assert all(name.isidentifier() for name in ids)


@each_operation
def test_every_body_has_examples(operation: Operation) -> None:
    contents = [operation.request]
    contents += [answer.get("content", {}) for answer in operation.responses.values()]
    for content in contents:
        for media_type, media in content.items():
            assert media["examples"], media_type


@each_operation
def test_every_operation_has_a_success_and_failures_with_examples(operation: Operation) -> None:
    statuses = list(operation.responses)
    assert statuses == sorted(statuses)
    assert statuses[0] == "200"
    failures = [answer for status, answer in operation.responses.items() if status >= "400"]
    for answer in failures:
        if operation.method == "HEAD":
            assert "content" not in answer
            continue
        media = answer["content"].get("application/json") or answer["content"]["text/plain"]
        if media["schema"] != {"type": "string"}:
            wanted = {"ErrorResponse"} | LANGUAGES.get(operation.id, set())
            assert set(references(media["schema"])) <= wanted
    takes_something = operation.request or "{" in operation.path
    assert failures or not takes_something


def test_operations_without_failures_are_those_that_ask_for_nothing() -> None:
    never_fail = {op.id for op in OPERATIONS if set(op.responses) == {"200"}}
    assert never_fail == {
        "ping",
        "head_root",
        "version",
        "head_version",
        "status",
        "head_tags",
        "ps",
        "model_recommendations",
    }


@each_operation
def test_streams_are_described_in_both_forms(operation: Operation) -> None:
    content = operation.responses["200"].get("content", {})
    stream = operation.raw.get("x-stream")
    if operation.id == "v1_transcriptions":
        return  # the server gives its one object the type of a stream
    assert (stream is not None) == ("application/x-ndjson" in content)
    if stream is None:
        return
    request = resolved(operation.request["application/json"]["schema"])
    whole = content["application/json"]["schema"]
    assert set(stream) == {"property", "default", "last"}
    assert request["properties"][stream["property"]]["default"] is stream["default"]
    assert set(stream["last"]) <= set(resolved(whole)["properties"])
    lines = content["application/x-ndjson"]["itemSchema"]
    assert lines == {"anyOf": [whole, {"$ref": PREFIX + "ErrorResponse"}]}
    examples = [e["dataValue"] for e in content["application/x-ndjson"]["examples"].values()]
    ends = [lines[-1] for lines in examples if lines]
    assert any("error" in end for end in ends)
    assert any(stream["last"].items() <= end.items() for end in ends)


def test_the_operations_that_stream_are_these() -> None:
    streaming = {op.id: op.raw["x-stream"]["last"] for op in OPERATIONS if "x-stream" in op.raw}
    assert streaming == {
        "generate": {"done": True},
        "chat": {"done": True},
        "create": {"status": "success"},
        "pull": {"status": "success"},
        "push": {"status": "success"},
    }


@each_operation
def test_parameters_are_members_of_the_request(operation: Operation) -> None:
    texts = operation.raw.get("x-python-parameters")
    if texts is None:
        others = {"create_blob", "signout_by_key"} | set(LANGUAGES)
        assert operation.method == "HEAD" or operation.id in others
        return
    names = [text.partition("=")[0] for text in texts if text != "*"]
    known = {p["name"] for p in DOCUMENT["paths"][operation.path].get("parameters", [])}
    required = set(known)
    if "application/json" in operation.request:
        component = operation.request["application/json"]["schema"]["$ref"][len(PREFIX) :]
        properties = SCHEMAS[component]["properties"]
        wire_names = {python_name(component, wire): wire for wire in properties}
        known |= set(wire_names)
        required |= {python_name(component, wire) for wire in SCHEMAS[component]["required"]}
        left_out = {name for name in wire_names if name not in names}
        aliases = {name for name in left_out if properties[wire_names[name]].get("deprecated")}
        assert left_out == aliases
    assert set(names) <= known
    assert required <= set(names)
    assert len(set(names)) == len(names)


@each_operation
def test_operations_without_an_answer_of_their_own_say_what_they_return(
    operation: Operation,
) -> None:
    content = operation.responses["200"].get("content", {})
    has_answer = "$ref" in content.get("application/json", {}).get("schema", {})
    is_method = "x-python-parameters" in operation.raw
    assert ("x-python-returns" in operation.raw) == (is_method and not has_answer)
    if is_method and not has_answer:
        returns = operation.raw["x-python-returns"]
        assert returns in {"str", "bool"} or returns in RECORDS


def test_server_sent_events_are_described_by_what_they_hold() -> None:
    for operation in OPERATIONS:
        content = operation.responses["200"].get("content", {})
        if "text/event-stream" not in content:
            continue
        request = resolved(operation.request["application/json"]["schema"])
        assert request["properties"]["stream"]["default"] is False
        media = content["text/event-stream"]
        named = "event" in media["itemSchema"]["properties"]
        for example in media["examples"].values():
            *events, last = example["dataValue"]
            assert all(event_data(media, event) for event in events)
            assert (last == {"data": "[DONE]"}) is not named
            if named:
                assert all(event["event"] == json.loads(event["data"])["type"] for event in events)


def test_only_the_cloud_wants_a_key() -> None:
    cloud = [op for op in OPERATIONS if "servers" in op.raw]
    assert {op.id for op in cloud} == {"web_search", "web_fetch"}
    assert {op.id for op in OPERATIONS if "security" in op.raw} == {op.id for op in cloud}
    assert all(op.raw["security"] == [{"bearer": []}] for op in cloud)
    assert {op.raw["servers"][0]["url"] for op in cloud} == {"https://ollama.com"}


# Examples


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_an_example_fits_its_schema_and_has_no_unknown_member(example: Example) -> None:
    assert problems(example.value, example.schema, CLOSED) == []


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if re.search(" [45]..$| [45].. ", e.id)], ids=lambda e: e.id
)
def test_an_example_of_a_failure_has_a_text_without_line_breaks(example: Example) -> None:
    error = example.value["error"]
    text = error if isinstance(error, str) else error["message"]
    assert text == " ".join(text.splitlines())


# Captured traffic


def test_there_is_traffic_of_nearly_every_operation() -> None:
    seen = {exchange.operation.id for exchange in EXCHANGES}
    assert {op.id for op in OPERATIONS} - seen == {
        "systemone",  # known from the official package alone
        "head_version",
        "web_fetch",  # the cloud's own path
    }


@pytest.mark.parametrize("exchange", REQUESTS, ids=lambda exchange: exchange.name)
def test_a_request_that_the_server_took_fits(exchange: Exchange) -> None:
    fits = exchange.capture not in REQUESTS_THAT_DO_NOT_FIT
    assert (request_problems(exchange) == []) is fits


@pytest.mark.parametrize("exchange", LOCAL_EXCHANGES, ids=lambda exchange: exchange.name)
def test_an_answer_of_the_server_fits_and_has_no_unknown_member(exchange: Exchange) -> None:
    found = response_problems(exchange)
    if exchange.capture in RESPONSES_THAT_DO_NOT_FIT:
        assert found != []
    else:
        assert found == []


def test_every_exception_is_about_a_captured_exchange() -> None:
    assert set(REQUESTS_THAT_DO_NOT_FIT) <= {exchange.capture for exchange in REQUESTS}
    assert set(RESPONSES_THAT_DO_NOT_FIT) <= {exchange.capture for exchange in LOCAL_EXCHANGES}


def test_every_member_is_shown_by_an_example_or_a_captured_request() -> None:
    shown: Set[Tuple[str, str]] = set()
    for example in EXAMPLES:
        shown |= members(example.value, example.schema)
    for exchange in REQUESTS:
        value = json.loads(exchange.request_body or b"")
        shown |= members(value, exchange.operation.request["application/json"]["schema"])
    current = {
        (name, wire)
        for name, schema in RECORDS.items()
        for wire, prop in schema["properties"].items()
        if not prop.get("deprecated")
    }
    assert current - shown == set(MEMBERS_WITHOUT_EXAMPLE)


def members(value: Any, schema: Dict[str, Any]) -> Set[Tuple[str, str]]:
    """The members of components that occur in a value."""
    found: Set[Tuple[str, str]] = set()
    if "$ref" in schema:
        name = schema["$ref"][len(PREFIX) :]
        if isinstance(value, dict):
            known = SCHEMAS[name].get("properties", {})
            found |= {(name, wire) for wire in value if wire in known}
        schema = SCHEMAS[name]
    for alternative in schema.get("anyOf", []):
        if problems(value, alternative, CLOSED) == []:
            return found | members(value, alternative)
    if isinstance(value, dict):
        for key, inner in value.items():
            into = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
            found |= members(inner, into)
    elif isinstance(value, list):
        for inner in value:
            found |= members(inner, schema.get("items", {}))
    return found


# The server's types


def test_every_type_of_the_server_is_accounted_for() -> None:
    assert set(COMPONENT_OF_TYPE) | set(TYPES_WITHOUT_COMPONENT) == set(API_FIELDS)
    assert not set(COMPONENT_OF_TYPE) & set(TYPES_WITHOUT_COMPONENT)


@pytest.mark.parametrize("go_type", COMPONENT_OF_TYPE)
def test_every_field_of_the_server_is_described_in_the_order_of_the_wire(go_type: str) -> None:
    component = SCHEMAS[COMPONENT_OF_TYPE[go_type]]
    described = [wire for wire in component["properties"] if wire in API_FIELDS[go_type]]
    required = [wire for wire in component.get("required", []) if wire in API_FIELDS[go_type]]
    others = [wire for wire in API_FIELDS[go_type] if wire not in required]
    if component is SCHEMAS["ErrorResponse"]:
        assert sorted(described) == sorted(API_FIELDS[go_type])
    else:
        assert described == required + others


@pytest.mark.parametrize(
    ("go_type", "wire"), [(t, wire) for t in COMPONENT_OF_TYPE for wire in API_FIELDS[t]]
)
def test_a_field_has_the_type_that_the_server_reads_and_writes(go_type: str, wire: str) -> None:
    prop = SCHEMAS[COMPONENT_OF_TYPE[go_type]]["properties"][wire]
    go = API_FIELDS[go_type][wire]["go_type"]
    if (go_type, wire) in TYPES_OF_FIELDS_OF_ANY_TYPE:
        assert json_types(prop) - {"null"} == TYPES_OF_FIELDS_OF_ANY_TYPE[go_type, wire]
        return
    while go.startswith("[]"):
        assert json_types(prop) - {"null"} == {"array"}
        prop, go = prop["items"], go[2:]
    short = go.rpartition(".")[2] if go.startswith("model.") else go
    if short == "any":
        assert json_types(prop) == set()
    elif short in JSON_TYPE_OF_GO:
        assert json_types(prop) - {"null"} == JSON_TYPE_OF_GO[short]
        assert (prop.get("format") == "float") == (short == "float32")
        assert (prop.get("format") == "date-time") == (short == "time.Time")
    else:
        assert references(prop) == [COMPONENT_OF_TYPE[short.lstrip("*")]]


# The official package


def official_classes() -> Dict[str, Any]:
    types = pytest.importorskip("ollama._types")
    found: Dict[str, Any] = {}
    waiting = [value for value in vars(types).values() if inspect.isclass(value)]
    while waiting:
        each = waiting.pop()
        is_model = each.__module__ == types.__name__ and hasattr(each, "model_fields")
        if is_model and each.__qualname__ not in found:
            found[each.__qualname__] = each
            waiting += [inner for inner in vars(each).values() if inspect.isclass(inner)]
    return found


def test_every_official_class_is_described() -> None:
    missing = set(official_classes()) - set(SCHEMAS)
    assert missing == set(OFFICIAL_CLASSES_WITHOUT_COMPONENT)


def test_every_official_field_is_described_under_its_name_and_wire_name() -> None:
    for name, cls in official_classes().items():
        if name in OFFICIAL_CLASSES_WITHOUT_COMPONENT:
            continue
        names = {python_name(name, wire): wire for wire in SCHEMAS[name]["properties"]}
        for field, info in cls.model_fields.items():
            assert field in names, (name, field)
            if info.alias is not None:
                assert names[field] == info.alias, (name, field)


def test_what_the_official_package_requires_is_required_and_nothing_else() -> None:
    for name, cls in official_classes().items():
        if name in OFFICIAL_CLASSES_WITHOUT_COMPONENT:
            continue
        required = [python_name(name, wire) for wire in SCHEMAS[name].get("required", [])]
        official = [f for f, info in cls.model_fields.items() if info.is_required()]
        assert sorted(required) == sorted(official), name


def test_official_defaults_and_byte_sizes_are_noted() -> None:
    for name, cls in official_classes().items():
        if name in OFFICIAL_CLASSES_WITHOUT_COMPONENT:
            continue
        for wire, prop in SCHEMAS[name]["properties"].items():
            info = cls.model_fields.get(python_name(name, wire))
            default = None if info is None or info.is_required() else info.default
            assert prop.get("x-python-default") == default, (name, wire)
            is_size = info is not None and "ByteSize" in str(info.annotation)
            assert (prop.get("x-python-type") == "ByteSize") == is_size, (name, wire)


def test_members_that_the_official_package_lacks_are_marked() -> None:
    for name, cls in official_classes().items():
        if name in OFFICIAL_CLASSES_WITHOUT_COMPONENT:
            continue
        for wire, prop in SCHEMAS[name]["properties"].items():
            added = python_name(name, wire) not in cls.model_fields
            assert prop.get("x-python-added", False) is added, (name, wire)


def test_official_unions_are_described() -> None:
    types = pytest.importorskip("ollama._types")
    unions = {name for name in SCHEMAS if name not in RECORDS}
    assert unions == {"SystemOneContent", "SystemOneQuestion", "SystemOneAnswer"}
    assert all(hasattr(types, name) for name in unions)


@each_operation
def test_parameters_begin_with_the_official_ones(operation: Operation) -> None:
    official = getattr(pytest.importorskip("ollama").Client, operation.id, None)
    if official is None or "x-python-parameters" not in operation.raw:
        return
    namespace: Dict[str, Any] = {}
    exec(f"def method({', '.join(operation.raw['x-python-parameters'])}): pass", namespace)
    ours = list(inspect.signature(namespace["method"]).parameters.values())
    theirs = list(inspect.signature(official).parameters.values())[1:]
    shared = [(p.name, p.kind, p.default) for p in ours[: len(theirs)]]
    assert shared == [(p.name, p.kind, p.default) for p in theirs]
    assert all(p.kind is p.KEYWORD_ONLY for p in ours[len(theirs) :])
    # What a caller may leave out for us, the official package does not know.
    assert all(p.default is None for p in ours[len(theirs) :])


def test_every_official_method_is_an_operation() -> None:
    client = pytest.importorskip("ollama").Client
    methods = {name for name, value in vars(client).items() if inspect.isfunction(value)}
    ids = {operation.id for operation in OPERATIONS}
    assert {name for name in methods if not name.startswith("_")} - ids == {"close"}
