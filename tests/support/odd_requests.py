"""Hypothesis strategies for requests that are nearly right, or not at all.

Messages follow the schema most of the time. Names that only a running cluster can tell
stand in them as placeholders, as ``<agent>``; ``filled`` puts the real ones in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from hypothesis import strategies as st

from raftleader.errors import RaftLeaderError
from raftleader.protocol.wire.codec import write_message
from raftleader.protocol.wire.media import Media
from raftleader.protocol.wire.schema import Field, fields_of, labels_of, schema

FIELDS_MAX = 7
"""Of the fields of one message, so many are ever set."""
IDS = {
    "mesos.FrameworkID": "<framework>",
    "mesos.AgentID": "<agent>",
    "mesos.OfferID": "<offer>",
}
TEXTS = ["", "*", "prod", "prod/web", "cpus", "disk", "ports", "x", "..", "v-1", "ö"]
COMMANDS = ["true", "exit 3", "cat"]
"""What is run if a request should happen to be right: an agent is among the servers."""
NUMBERS = [0, 1, 2, 5, -1, 2**31, 2**63 - 1, -(2**63), 2**70, "5", "x"]
DOUBLES = [0, 1, 0.0001, 0.1, 64, -1, 1e30, 1e308, "NaN", "Infinity", "-Infinity"]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT"]
MEDIA = ["application/json", "application/x-protobuf", "application/recordio"]

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(TEXTS),
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
    ),
    max_leaves=6,
)


def _one_in(often: int, rare: st.SearchStrategy[Any], usual: Any) -> Any:
    return st.integers(0, often - 1).flatmap(lambda n: rare if n == 0 else usual)


def value_of(field: Field, depth: int) -> st.SearchStrategy[Any]:
    """A value that the schema allows, most of the time."""
    value: st.SearchStrategy[Any]
    if field.type in IDS:
        value = st.just({"value": IDS[field.type]})
    elif field.type in schema().messages:
        value = message_of(field.type, depth - 1) if depth else st.just({})
    elif field.type in schema().enums:
        value = st.sampled_from(sorted(labels_of(field.type)))
    elif field.type == "string":
        value = st.sampled_from(TEXTS)
    elif field.type == "bytes":
        value = st.sampled_from(["", "AAAA", "AAECAwQFBgcICQoLDA0ODw==", "%"])
    elif field.type == "bool":
        value = st.booleans()
    elif field.type == "double":
        value = st.sampled_from(DOUBLES)
    else:
        value = st.sampled_from(NUMBERS)
    if field.is_map:
        value = st.dictionaries(st.sampled_from(["cpus", "mem", ""]), value, max_size=2)
    elif field.is_repeated:
        value = st.lists(value, max_size=2)
    return _one_in(12, trees, value)


def message_of(kind: str, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """A message of this kind with some of its fields."""
    if kind == "mesos.CommandInfo":
        return st.fixed_dictionaries(
            {"value": st.sampled_from(COMMANDS)},
            optional={
                "shell": st.booleans() | trees,
                "arguments": st.lists(st.sampled_from(TEXTS), max_size=2) | trees,
            },
        )
    if kind == "mesos.Resource":
        return resources
    fields = fields_of(kind)
    required = [name for name, field in fields.items() if field.is_required]
    others = [name for name in fields if name not in required]

    def made(names: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({n: value_of(fields[n], depth) for n in names})

    few = (
        st.lists(st.sampled_from(others), unique=True, max_size=FIELDS_MAX)
        if others
        else st.just([])
    )
    whole = few.flatmap(lambda names: made([*required, *names]))
    return _one_in(15, few.flatmap(made), whole)


_amounts = st.sampled_from(DOUBLES)
_bounds = st.sampled_from([0, 31000, 31005, 2**63, 2**64 - 1, 2**64, -1, "7"])
_reservation = st.fixed_dictionaries(
    {"type": st.sampled_from(["DYNAMIC", "STATIC"]), "role": st.sampled_from(TEXTS)},
    optional={"principal": st.sampled_from(TEXTS), "labels": st.just({"labels": []})},
)
_resource_parts: dict[str, st.SearchStrategy[Any]] = {
    "scalar": st.fixed_dictionaries({"value": _amounts}),
    "ranges": st.fixed_dictionaries(
        {"range": st.lists(st.fixed_dictionaries({"begin": _bounds, "end": _bounds}))}
    ),
    "set": st.fixed_dictionaries({"item": st.lists(st.sampled_from(TEXTS))}),
    "role": st.sampled_from(TEXTS),
    "reservations": st.lists(_reservation, max_size=2),
    "reservation": _reservation,
    "revocable": st.just({}),
    "shared": st.just({}),
    "allocation_info": st.just({"role": "*"}),
    "disk": st.fixed_dictionaries(
        {},
        optional={
            "persistence": st.fixed_dictionaries({"id": st.sampled_from(TEXTS)}),
            "volume": st.just({"container_path": "data", "mode": "RW"}),
            "source": st.fixed_dictionaries(
                {"type": st.sampled_from(["PATH", "MOUNT", "RAW", "BLOCK", "UNKNOWN"])}
            ),
        },
    ),
}
resources: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["cpus", "mem", "disk", "ports", "gpus", "x", ""]),
        "type": st.sampled_from(["SCALAR", "RANGES", "SET", "TEXT"]),
    },
    optional={name: part | trees for name, part in _resource_parts.items()},
)


def calls_of(
    kind: str, *, without: Sequence[str] = (), depth: int = 5
) -> st.SearchStrategy[dict[str, Any]]:
    """Calls with the body that their type wants, or something like it."""
    fields = fields_of(kind)
    types = sorted(set(labels_of(f"{kind}.Type")) - set(without))
    top = {n: value_of(f, 1) for n, f in fields.items() if f.is_required or "id" in n}

    def call_of(type_: str) -> st.SearchStrategy[dict[str, Any]]:
        name = type_.lower()
        parts: dict[str, st.SearchStrategy[Any]] = {"type": st.just(type_), **top}
        if name in fields:
            parts[name] = _one_in(10, trees, message_of(fields[name].type, depth))
        return st.fixed_dictionaries(parts)

    return st.sampled_from(types).flatmap(call_of)


def filled(tree: Any, names: Mapping[str, str]) -> Any:
    """The tree with the real names where placeholders were."""
    if isinstance(tree, dict):
        return {filled(k, names): filled(v, names) for k, v in tree.items()}
    if isinstance(tree, list):
        return [filled(value, names) for value in tree]
    return names.get(tree, tree) if isinstance(tree, str) else tree


def as_body(kind: str, tree: Any, media: str) -> bytes:
    """In that encoding. As JSON, if protobuf has no room for it."""
    if media == Media.PROTOBUF.value:
        try:
            return write_message(Media.PROTOBUF, kind, tree)
        except (RaftLeaderError, TypeError, ValueError, AttributeError):
            pass
    return json.dumps(tree).encode()


@attrs.frozen(kw_only=True)
class Manner:
    """How a request is sent.

    Attributes:
        chunk_bytes: Size of the chunks of its body; None is with a length.
        cut_bytes: Sent in pieces of so many bytes; None is at once.
    """

    method: str = "POST"
    version: str = "1.1"
    headers: tuple[tuple[str, str], ...] = ()
    chunk_bytes: int | None = None
    cut_bytes: int | None = None
    half_closes: bool = False

    def request(self, target: str, body: bytes, **headers: str) -> bytes:
        """The bytes of the request."""
        lines = [f"{self.method} {target} HTTP/{self.version}", "Host: x"]
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        lines += [f"{name}: {text}" for name, text in named.items() if text]
        lines += [f"{name}: {text}" for name, text in self.headers]
        if self.chunk_bytes is None:
            lines.append(f"Content-Length: {len(body)}")
        else:
            lines.append("Transfer-Encoding: chunked")
            body = _chunked(body, self.chunk_bytes)
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body

    def pieces(self, data: bytes) -> list[bytes]:
        """As it is cut for sending."""
        size = max(self.cut_bytes or len(data), len(data) // 20, 1)
        return [data[at : at + size] for at in range(0, len(data), size)]


def _chunked(body: bytes, size: int) -> bytes:
    size = max(size, len(body) // 50)
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in [*parts, b""])


header_texts = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"),
    max_size=20,
)
odd_headers = st.sampled_from(
    [
        ("Authorization", "Basic eDp5"),
        ("Authorization", "Bearer"),
        ("Expect", "100-continue"),
        ("Expect", "nonsense"),
        ("Accept", "*/*"),
        ("Accept", "application/json;q=0.1, */*;q=1"),
        ("Accept", ";;q=,"),
        ("Accept-Encoding", "gzip, br"),
        ("Content-Encoding", "gzip"),
        ("Cookie", "a=b"),
        ("Message-Accept", "application/json"),
        ("Message-Content-Type", "application/x-protobuf"),
        ("Range", "bytes=0-1"),
        ("If-None-Match", "*"),
        ("X-Empty", ""),
        ("Mesos-Stream-Id", "x"),
    ]
) | st.tuples(st.sampled_from(["X-Odd", "Accept", "Origin", "Via"]), header_texts)
manners = st.builds(
    Manner,
    method=_one_in(8, st.sampled_from(METHODS), st.just("POST")),
    version=_one_in(10, st.just("1.0"), st.just("1.1")),
    headers=st.lists(odd_headers, max_size=3).map(tuple),
    chunk_bytes=st.none() | st.integers(1, 1000),
    cut_bytes=st.none() | st.integers(1, 500),
    half_closes=st.booleans(),
)
