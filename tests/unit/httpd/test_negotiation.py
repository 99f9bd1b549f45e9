"""Content-Type and Accept: which encoding, or which refusal."""

from __future__ import annotations

import pytest

from raftleader.httpd.negotiation import (
    MediaOfCall,
    Unacceptable,
    accepted_media,
    content_media,
    media_of_call,
)
from raftleader.protocol.wire.media import Media

JSON, PROTOBUF = Media.JSON, Media.PROTOBUF
JSON_TYPE, PROTOBUF_TYPE = "application/json", "application/x-protobuf"
RECORDIO = "application/recordio"


@pytest.mark.parametrize(
    ("header", "media"),
    [
        ("application/json", JSON),
        ("application/json; charset=utf-8", JSON),
        ("Application/JSON", JSON),
        ("application/x-protobuf", PROTOBUF),
        (" application/x-protobuf ;v=1", PROTOBUF),
        ("application/protobuf", None),
        ("text/plain", None),
        ("application/recordio", None),
        ("", None),
    ],
)
def test_content_type_names_an_encoding_whatever_its_parameters(
    header: str, media: Media | None
) -> None:
    assert content_media(header) is media


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/x-protobuf", PROTOBUF),
        ("application/x-protobuf, application/json", JSON),
        ("application/x-protobuf, application/json;q=0.1", JSON),
        ("application/x-protobuf, application/json;q=0", PROTOBUF),
        ("application/json;q=0, */*", PROTOBUF),
        ("text/html, application/x-protobuf;q=0.5", PROTOBUF),
        ("APPLICATION/JSON", JSON),
        ("text/html", None),
        ("application/*;q=0", None),
        ("*/*;q=0.0", None),
        ("application/json;q=oops", JSON),
        (",", None),
    ],
)
def test_accept_admits_json_first_then_protobuf(
    accept: str | None, media: Media | None
) -> None:
    assert accepted_media(accept) is media


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"content-type": JSON_TYPE}, MediaOfCall(content=JSON, answer=JSON)),
        (
            {"content-type": PROTOBUF_TYPE, "accept": PROTOBUF_TYPE},
            MediaOfCall(content=PROTOBUF, answer=PROTOBUF),
        ),
        (
            {"content-type": JSON_TYPE, "accept": RECORDIO},
            MediaOfCall(content=JSON, answer=JSON, is_answer_streamed=True),
        ),
        (
            {
                "content-type": JSON_TYPE,
                "accept": RECORDIO,
                "message-accept": PROTOBUF_TYPE,
            },
            MediaOfCall(content=JSON, answer=PROTOBUF, is_answer_streamed=True),
        ),
        (  # As mesos-go has it, in two Accept headers.
            {
                "content-type": PROTOBUF_TYPE,
                "accept": f"{PROTOBUF_TYPE}, {RECORDIO}",
                "message-accept": PROTOBUF_TYPE,
            },
            MediaOfCall(content=PROTOBUF, answer=PROTOBUF, is_answer_streamed=True),
        ),
        (
            {
                "content-type": JSON_TYPE,
                "accept": f"{RECORDIO}, {JSON_TYPE}",
                "message-accept": JSON_TYPE,
            },
            MediaOfCall(content=JSON, answer=JSON, is_answer_streamed=True),
        ),
        (
            {
                "content-type": JSON_TYPE,
                "accept": f"{RECORDIO};q=0, {JSON_TYPE}",
                "message-accept": JSON_TYPE,
            },
            (
                406,
                "Expecting 'Message-Accept' to be not set for non-streaming responses",
            ),
        ),
        (
            {"content-type": JSON_TYPE, "accept": f"{RECORDIO}, {JSON_TYPE}"},
            MediaOfCall(content=JSON, answer=JSON),
        ),
        (
            {"content-type": RECORDIO, "message-content-type": PROTOBUF_TYPE},
            MediaOfCall(content=PROTOBUF, answer=JSON, is_content_streamed=True),
        ),
        ({}, (400, "Expecting 'Content-Type' to be present")),
        (
            {"content-type": "text/plain"},
            (
                415,
                "Expecting 'Content-Type' of application/json or "
                "application/x-protobuf or application/recordio",
            ),
        ),
        (
            {"content-type": RECORDIO},
            (
                400,
                "Expecting 'Message-Content-Type' to be set for streaming requests",
            ),
        ),
        (
            {"content-type": RECORDIO, "message-content-type": "text/plain"},
            (
                415,
                "Expecting 'Message-Content-Type' of application/json or "
                "application/x-protobuf",
            ),
        ),
        (
            {"content-type": JSON_TYPE, "message-content-type": JSON_TYPE},
            (
                415,
                "Expecting 'Message-Content-Type' to be not set for "
                "non-streaming requests",
            ),
        ),
        (
            {"content-type": JSON_TYPE, "accept": "text/plain"},
            (
                406,
                "Expecting 'Accept' to allow application/json or "
                "application/x-protobuf or application/recordio",
            ),
        ),
        (
            {"content-type": JSON_TYPE, "message-accept": JSON_TYPE},
            (
                406,
                "Expecting 'Message-Accept' to be not set for non-streaming responses",
            ),
        ),
        (
            {
                "content-type": JSON_TYPE,
                "accept": RECORDIO,
                "message-accept": "text/plain",
            },
            (
                406,
                "Expecting 'Message-Accept' to allow application/json or "
                "application/x-protobuf",
            ),
        ),
    ],
)
def test_headers_of_a_call_to_an_agent_are_read_as_mesos_reads_them(
    headers: dict[str, str], expected: MediaOfCall | tuple[int, str]
) -> None:
    found = media_of_call(headers)
    if isinstance(found, Unacceptable):
        assert (found.status, found.text) == expected
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("media", "call_type", "problem"),
    [
        (MediaOfCall(content=JSON, answer=JSON), "GET_STATE", None),
        (
            MediaOfCall(content=JSON, answer=JSON, is_content_streamed=True),
            "ATTACH_CONTAINER_INPUT",
            None,
        ),
        (
            MediaOfCall(content=JSON, answer=JSON, is_content_streamed=True),
            "GET_STATE",
            (
                415,
                "Streaming 'Content-Type' application/recordio is not supported "
                "for GET_STATE call",
            ),
        ),
        (
            MediaOfCall(content=JSON, answer=JSON),
            "ATTACH_CONTAINER_INPUT",
            (
                415,
                "Expecting 'Content-Type' to be application/recordio for "
                "ATTACH_CONTAINER_INPUT call",
            ),
        ),
        (
            MediaOfCall(content=JSON, answer=JSON, is_answer_streamed=True),
            "LAUNCH_NESTED_CONTAINER_SESSION",
            None,
        ),
        (
            MediaOfCall(content=JSON, answer=JSON, is_answer_streamed=True),
            "GET_STATE",
            (406, "Streaming response is not supported for GET_STATE call"),
        ),
    ],
)
def test_only_calls_that_attach_to_a_container_stream(
    media: MediaOfCall, call_type: str, problem: tuple[int, str] | None
) -> None:
    found = media.problem_with(call_type)
    assert (None if found is None else (found.status, found.text)) == problem


def test_answer_says_what_it_is() -> None:
    whole = MediaOfCall(content=JSON, answer=PROTOBUF)
    assert whole.answer_headers == (("Content-Type", PROTOBUF_TYPE),)
    streamed = MediaOfCall(content=JSON, answer=PROTOBUF, is_answer_streamed=True)
    assert streamed.answer_headers == (
        ("Content-Type", RECORDIO),
        ("Message-Content-Type", PROTOBUF_TYPE),
    )
