"""Content-Type and Accept: in which encoding a call comes, and its answer goes.

The order of the checks, statuses and texts are Mesos'. We are kinder in two points:
parameters and upper case in a media type do not matter; and who names recordio and
``Message-Accept`` gets records, even if it would take an encoding without records,
too. Clients say both in two Accept headers, of which Mesos sees only the last.

A *streaming* body is ``application/recordio``: records whose own encoding stands in
``Message-Content-Type`` (of a request or answer) and ``Message-Accept``. Only calls of
the agent that attach to a container have them.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from raftleader.protocol.wire.media import Media

RECORDIO = "application/recordio"
MESSAGE_CONTENT_TYPE = "Message-Content-Type"
MESSAGE_ACCEPT = "Message-Accept"

_EITHER = f"{Media.JSON.value} or {Media.PROTOBUF.value}"
_STREAMED_REQUESTS = frozenset({"ATTACH_CONTAINER_INPUT"})
_STREAMED_ANSWERS = frozenset(
    {"ATTACH_CONTAINER_OUTPUT", "LAUNCH_NESTED_CONTAINER_SESSION"}
)
_MEDIA = {media.value: media for media in Media}


def content_media(header: str) -> Media | None:
    """The encoding a Content-Type names, or None for any other type."""
    media = _MEDIA.get(header)
    return media if media is not None else _MEDIA.get(_type_of(header))


def accepted_media(accept: str | None) -> Media | None:
    """The encoding an Accept header admits: JSON if it may be, None if neither.

    Without a header everything is admitted. The most specific range decides, and a
    quality of zero is a refusal; other qualities are not weighed, as in Mesos.
    """
    ranges = _ranges(accept)
    return next((media for media in Media if _admits(ranges, media.value)), None)


@attrs.frozen(kw_only=True)
class Unacceptable:
    """Why a request cannot be served as its headers want: status and text."""

    status: int
    text: str


@attrs.frozen(kw_only=True)
class MediaOfCall:
    """How a call to an agent comes, and how its answer goes.

    Attributes:
        content: Encoding of the call; of each record, if it streams.
        answer: Encoding of the answer; of each record, if it streams as recordio.
    """

    content: Media
    answer: Media
    is_content_streamed: bool = False
    is_answer_streamed: bool = False

    @property
    def answer_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers that tell the client what it gets."""
        if not self.is_answer_streamed:
            return (("Content-Type", self.answer.value),)
        return (
            ("Content-Type", RECORDIO),
            (MESSAGE_CONTENT_TYPE, self.answer.value),
        )

    def problem_with(self, call_type: str) -> Unacceptable | None:
        """Why a call of this type may not come so, or be answered so."""
        if self.is_content_streamed and call_type not in _STREAMED_REQUESTS:
            text = f"Streaming 'Content-Type' {RECORDIO} is not supported for "
            return Unacceptable(status=415, text=f"{text}{call_type} call")
        if not self.is_content_streamed and call_type in _STREAMED_REQUESTS:
            text = f"Expecting 'Content-Type' to be {RECORDIO} for {call_type} call"
            return Unacceptable(status=415, text=text)
        if self.is_answer_streamed and call_type not in _STREAMED_ANSWERS:
            text = f"Streaming response is not supported for {call_type} call"
            return Unacceptable(status=406, text=text)
        return None


def media_of_call(headers: Mapping[str, str]) -> MediaOfCall | Unacceptable:
    """What the headers (names in lower case) of a call to an agent say."""
    content = _content_of(headers)
    if isinstance(content, Unacceptable):
        return content
    answer = _answer_of(headers)
    if isinstance(answer, Unacceptable):
        return answer
    return MediaOfCall(
        content=content[0],
        is_content_streamed=content[1],
        answer=answer[0],
        is_answer_streamed=answer[1],
    )


def _content_of(headers: Mapping[str, str]) -> tuple[Media, bool] | Unacceptable:
    header = headers.get("content-type")
    if not header:
        return Unacceptable(status=400, text="Expecting 'Content-Type' to be present")
    of_records = headers.get(MESSAGE_CONTENT_TYPE.lower())
    media = content_media(header)
    if media is not None:
        if of_records is None:
            return media, False
        text = f"Expecting '{MESSAGE_CONTENT_TYPE}' to be not set for non-streaming"
        return Unacceptable(status=415, text=f"{text} requests")
    if _type_of(header) != RECORDIO:
        text = f"Expecting 'Content-Type' of {_EITHER} or {RECORDIO}"
        return Unacceptable(status=415, text=text)
    if of_records is None:
        text = f"Expecting '{MESSAGE_CONTENT_TYPE}' to be set for streaming requests"
        return Unacceptable(status=400, text=text)
    media = content_media(of_records)
    if media is None:
        text = f"Expecting '{MESSAGE_CONTENT_TYPE}' of {_EITHER}"
        return Unacceptable(status=415, text=text)
    return media, True


def _answer_of(headers: Mapping[str, str]) -> tuple[Media, bool] | Unacceptable:
    accept = headers.get("accept")
    of_records = headers.get(MESSAGE_ACCEPT.lower())
    ranges = _ranges(accept)
    is_named = of_records is not None and ranges.get(RECORDIO, False)
    media = None if is_named else accepted_media(accept)
    if media is not None:
        if of_records is None:
            return media, False
        text = f"Expecting '{MESSAGE_ACCEPT}' to be not set for non-streaming"
        return Unacceptable(status=406, text=f"{text} responses")
    if not _admits(ranges, RECORDIO):
        text = f"Expecting 'Accept' to allow {_EITHER} or {RECORDIO}"
        return Unacceptable(status=406, text=text)
    media = accepted_media(of_records)
    if media is None:
        text = f"Expecting '{MESSAGE_ACCEPT}' to allow {_EITHER}"
        return Unacceptable(status=406, text=text)
    return media, True


def _type_of(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def _ranges(accept: str | None) -> dict[str, bool]:
    """The media ranges of the header, and whether each is admitted."""
    if accept is None or not accept.strip():
        return {"*/*": True}
    ranges: dict[str, bool] = {}
    for part in accept.split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        ranges[media] = not any(map(_is_zero, parameters))
    return ranges


def _admits(ranges: Mapping[str, bool], media: str) -> bool:
    for wanted in (media, "application/*", "*/*", "*"):
        if wanted in ranges:
            return ranges[wanted]
    return False


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return False
    try:
        return float(value) <= 0
    except ValueError:
        return False
