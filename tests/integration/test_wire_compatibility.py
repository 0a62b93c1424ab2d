"""Our trimmed messages and Envoy's complete ones read and write the same bytes."""

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.deciding import _proto
from authz.deciding._proto import external_auth_pb2
from authz.deciding._proto.external_auth_pb2 import CheckRequest, CheckResponse
from tests.support.envoy_messages import (
    agree,
    auth,
    complete,
    complete_fields,
    core,
    described,
    http,
    is_map,
    protobuf,
    rpc,
)

FILES: Final = [
    importlib.import_module(found.name) for found in pkgutil.iter_modules(_proto.__path__, "authz.deciding._proto.")
]
# It is encoded as the same varint; we do not need the list of sixty names.
NUMBERS_FOR_ENUMS: Final = {"envoy.type.v3.HttpStatus.code": ("int32", "enum")}
TYPES: Final = {
    value: name.removeprefix("TYPE_").lower()
    for name, value in vars(FieldDescriptor).items()
    if name.startswith("TYPE_")
}


def messages(descriptors: Iterable[Descriptor]) -> Iterator[Descriptor]:
    """Yield these messages and those nested in them, except the entries of maps."""
    for descriptor in descriptors:
        if not is_map(descriptor):
            yield descriptor
            yield from messages(descriptor.nested_types)


OURS: Final = [message for file in FILES for message in messages(file.DESCRIPTOR.message_types_by_name.values())]
FIELDS: Final = [(message, field) for message in OURS for field in message.fields]
LINKS: Final = [(message, field, to) for message, field in FIELDS if (to := field.message_type) and not is_map(to)]


def shape(field: FieldDescriptor) -> tuple[object, ...]:
    """Return what determines the bytes of a field, in the terms of the complete messages."""
    oneof = field.containing_oneof.name if field.containing_oneof else None
    if field.message_type is not None and is_map(field.message_type):
        entry = field.message_type.fields_by_name
        return field.name, "map", (TYPES[entry["key"].type], TYPES[entry["value"].type]), False, oneof
    return field.name, TYPES[field.type], None, field.is_repeated, oneof


@pytest.mark.parametrize(("message", "field"), FIELDS, ids=lambda part: part.name)
def test_a_field_is_envoys_field_of_that_number(message: Descriptor, field: FieldDescriptor) -> None:
    found = complete_fields(message).get(field.number)
    assert found is not None, "Envoy has no field of that number"
    name, theirs = found
    entry = theirs.map_meta and tuple(part.proto_type for part in theirs.map_meta)
    ours = shape(field)
    if field.full_name in NUMBERS_FOR_ENUMS:
        assert (ours[1], theirs.proto_type) == NUMBERS_FOR_ENUMS[field.full_name]
        ours = (ours[0], theirs.proto_type, *ours[2:])
    assert ours == (name, theirs.proto_type, entry, bool(theirs.repeated), theirs.group)


@pytest.mark.parametrize(("message", "field", "to"), LINKS, ids=lambda part: part.name)
def test_a_fields_message_type_has_envoys_name(message: Descriptor, field: FieldDescriptor, to: Descriptor) -> None:
    """Equal numbers prove little if the message type differs."""
    declared = {known.name: str(known.type) for known in fields(complete(message))}
    assert re.search(rf"\b{complete(to).__name__}\b", declared[field.name])


@pytest.mark.parametrize("message", OURS, ids=lambda message: message.full_name)
def test_an_enumeration_has_envoys_numbers(message: Descriptor) -> None:
    for enum in message.enum_types:
        theirs = getattr(importlib.import_module(f"envoy_data_plane.{message.file.package}"), message.name + enum.name)
        assert {value.name: value.number for value in enum.values} == {value.name: int(value) for value in theirs}


def test_the_method_has_the_name_that_envoy_calls() -> None:
    method = external_auth_pb2.DESCRIPTOR.services_by_name["Authorization"].methods_by_name["Check"]
    path = f"/{method.containing_service.full_name}/{method.name}"
    handler = auth.AuthorizationBase().__mapping__()[path]
    assert (complete(method.input_type), complete(method.output_type)) == (handler.request_type, handler.reply_type)


def instances(descriptor: Descriptor) -> st.SearchStrategy[Message]:
    """Generate any message of ours, with each field present or absent."""
    if descriptor.full_name == "google.protobuf.Value":
        return st.text().map(lambda text: GetMessageClass(descriptor)(string_value=text))
    if descriptor.full_name == "google.protobuf.Any":
        return st.binary().map(lambda data: GetMessageClass(descriptor)(type_url="type.googleapis.com/x", value=data))
    known = {field.name: contents(field) for field in descriptor.fields}
    return st.fixed_dictionaries({}, optional=known).map(lambda given: assemble(descriptor, given))


def assemble(descriptor: Descriptor, given: dict[str, Any]) -> Message:
    """Fill a new message; of a oneof the last field wins, as on the wire."""
    message = GetMessageClass(descriptor)()
    for name, value in given.items():
        message.MergeFrom(type(message)(**{name: value}))
    return message


def contents(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Generate any value of one field."""
    if field.message_type is not None and is_map(field.message_type):
        entry = field.message_type.fields_by_name
        return st.dictionaries(contents(entry["key"]), contents(entry["value"]), max_size=4)
    single = scalars(field) if field.message_type is None else instances(field.message_type)
    return st.lists(single, max_size=3) if field.is_repeated else single


def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Generate any value of a scalar type."""
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.full_name == "envoy.type.v3.HttpStatus.code":
        return st.sampled_from([int(code) for code in http.StatusCode])
    return {"string": st.text(), "int32": st.integers(-(2**31), 2**31 - 1)}[TYPES[field.type]]


@settings(deadline=None)
@given(instances(described(CheckRequest)) | instances(described(CheckResponse)))
def test_envoy_reads_any_message_of_ours_alike_and_writes_the_same_bytes(ours: Message) -> None:
    theirs = complete(described(ours)).parse(ours.SerializeToString())
    agree(ours, theirs)
    assert type(ours).FromString(bytes(theirs)) == ours


def peer(address: str, port: int) -> auth.AttributeContextPeer:
    """Return one end of a connection."""
    socket = core.SocketAddress(address=address, port_value=port)
    return auth.AttributeContextPeer(
        address=core.Address(socket_address=socket), principal="spiffe://example/a", labels={"zone": "b"}
    )


def test_everything_that_envoy_may_send_leaves_our_fields_readable() -> None:
    everything = auth.AttributeContextHttpRequest(
        id="1234567890",
        method="POST",
        headers={"authorization": "Bearer x", "x-grüße": "Füße", "empty": ""},
        header_map=core.HeaderMap(headers=[core.HeaderValue(key="raw", raw_value=b"\xff\xfe")]),
        path="/ai/v2/code/completions?a=b",
        host="cloud.example.com",
        scheme="https",
        query="a=b",
        fragment="f",
        size=-1,
        protocol="HTTP/2",
        body="{}",
        raw_body=b"\x00\xff",
    )
    context = auth.AttributeContext(
        source=peer("127.0.0.1", 40000),
        destination=peer("::1", 8443),
        request=auth.AttributeContextRequest(time=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), http=everything),
        context_extensions={"backend_service": "ai_gateway", "other": ""},
        metadata_context=core.Metadata(
            filter_metadata={"a": protobuf.Struct(fields={"b": protobuf.Value(number_value=1.5)})}
        ),
        route_metadata_context=core.Metadata(filter_metadata={"c": protobuf.Struct()}),
        tls_session=auth.AttributeContextTlsSession(sni="cloud.example.com"),
    )
    theirs = auth.CheckRequest(attributes=context)
    ours = CheckRequest.FromString(bytes(theirs))
    agree(ours, theirs)
    assert ours.attributes.request.http.path == "/ai/v2/code/completions?a=b"
    assert auth.CheckRequest.parse(ours.SerializeToString()) == theirs


def option(name: str, value: str) -> core.HeaderValueOption:
    return core.HeaderValueOption(header=core.HeaderValue(key=name, value=value))


@pytest.mark.parametrize(
    "theirs",
    [
        auth.CheckResponse(),
        auth.CheckResponse(
            status=rpc.Status(code=16, message="Forbidden by auth provider"),
            denied_response=auth.DeniedHttpResponse(
                status=http.HttpStatus(code=http.StatusCode.Unauthorized),
                headers=[
                    core.HeaderValueOption(
                        header=core.HeaderValue(key="www-authenticate", value="Bearer", raw_value=b"Bearer"),
                        append_action=core.HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
                        keep_empty_value=True,
                    )
                ],
                body='{"error": "…"}',
            ),
            dynamic_metadata=protobuf.Struct(fields={"outcome": protobuf.Value(string_value="denied")}),
        ),
        auth.CheckResponse(
            status=rpc.Status(),
            ok_response=auth.OkHttpResponse(
                headers=[option("x-gitlab-authorized-realm", "saas")],
                headers_to_remove=["a", "b"],
                response_headers_to_add=[option("c", "d")],
                query_parameters_to_set=[core.QueryParameter(key="e", value="f")],
                query_parameters_to_remove=["g"],
            ),
        ),
        auth.CheckResponse(status=rpc.Status(code=14), error_response=auth.DeniedHttpResponse(body="not ready")),
    ],
    ids=["empty", "denied", "allowed", "error"],
)
def test_everything_that_envoy_understands_leaves_our_fields_readable(theirs: auth.CheckResponse) -> None:
    ours = CheckResponse.FromString(bytes(theirs))
    agree(ours, theirs)
    assert auth.CheckResponse.parse(ours.SerializeToString()) == theirs
