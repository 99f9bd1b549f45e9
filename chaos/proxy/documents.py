"""What the API is sent, and what it answers: bodies to and from values."""

from __future__ import annotations

import attrs

from chaos.proxy.go_json import (
    BadJsonError,
    Fields,
    Members,
    kind_of,
    read,
    shortest_single,
)
from chaos.proxy.proxies import Proxy
from chaos.proxy.toxics import DOWNSTREAM, KINDS, UPSTREAM, Slicer, Toxic


class ApiError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text

    @property
    def document(self) -> dict[str, object]:
        return {"error": self.text, "status": self.status}


PROXY_NOT_FOUND = ApiError(404, "proxy not found")
TOXIC_NOT_FOUND = ApiError(404, "toxic not found")
PROXY_EXISTS = ApiError(409, "proxy already exists")
TOXIC_EXISTS = ApiError(409, "toxic already exists")
INVALID_STREAM = ApiError(
    400, "stream was invalid, can be either upstream or downstream"
)
INVALID_TYPE = ApiError(400, "invalid toxic type")

_GO_NAMES = {"slow_close": "SlowCloseToxic", "reset_peer": "ResetToxic"}
_ITEM = 'struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }'
_CHANGES = (
    'struct { Attributes interface {} "json:\\"attributes\\""; '
    'Toxicity float32 "json:\\"toxicity\\"" }'
)


def bad_body(error: BadJsonError) -> ApiError:
    return ApiError(400, f"bad request body: {error}")


def missing(field: str) -> ApiError:
    return ApiError(400, f"missing required field: {field}")


@attrs.frozen(kw_only=True)
class ProxyInput:
    """A proxy as it is asked for."""

    name: str = ""
    listen: str = ""
    upstream: str = ""
    enabled: bool = True


def proxy_input(body: bytes, default: ProxyInput) -> ProxyInput:
    """What ``body`` says, and ``default`` of the rest. Raises ApiError."""
    try:
        fields = Fields(read(body), into="toxiproxy.Proxy")
        found = ProxyInput(
            name=fields.text("name", default.name),
            listen=fields.text("listen", default.listen),
            upstream=fields.text("upstream", default.upstream),
            enabled=fields.truth("enabled", default.enabled),
        )
        fields.check()
    except BadJsonError as error:
        raise bad_body(error) from error
    return found


def proxy_inputs(body: bytes) -> list[ProxyInput]:
    """Those of a list, each with name and upstream. Raises ApiError."""
    try:
        items = read(body)
        if not isinstance(items, list | None) or isinstance(items, Members):
            raise BadJsonError(
                f"json: cannot unmarshal {kind_of(items)} into Go value of type "
                f"[]{_ITEM}"
            )
        inputs = [_item(item) for item in items or ()]
    except BadJsonError as error:
        raise bad_body(error) from error
    for number, item in enumerate(inputs, start=1):
        if not item.name:
            raise missing(f"name at proxy {number}")
        if not item.upstream:
            raise missing(f"upstream at proxy {number}")
    return inputs


def _item(value: object) -> ProxyInput:
    inherited = Fields(value, into=_ITEM, path=".Proxy.")
    own = Fields(value, into=_ITEM, path=".")
    found = ProxyInput(
        name=inherited.text("name", ""),
        listen=inherited.text("listen", ""),
        upstream=inherited.text("upstream", ""),
        enabled=own.truth("enabled", True),
    )
    inherited.check()
    own.check()
    return found


def toxic_input(body: bytes) -> Toxic:
    """A new toxic. Raises ApiError; that its name is free is for others to see."""
    try:
        value = read(body)
        fields = Fields(value, into="toxics.ToxicWrapper")
        stream = fields.text("stream", DOWNSTREAM)
        kind = fields.text("type", "")
        name = fields.text("name", "")
        toxicity = fields.single("toxicity", 1.0)
        fields.inner("attributes", into="toxics.NoopToxic")
        fields.check()
    except BadJsonError as error:
        raise bad_body(error) from error
    if stream.lower() not in (UPSTREAM, DOWNSTREAM):
        raise INVALID_STREAM
    if kind not in KINDS:
        raise INVALID_TYPE
    return Toxic(
        name=name or f"{kind}_{stream}",
        type=kind,
        stream=stream,
        direction=stream.lower(),
        toxicity=toxicity,
        behaviour_of=KINDS[kind](),
    )


def set_attributes(toxic: Toxic, body: bytes, *, is_new: bool) -> None:
    """Take the attributes that ``body`` names, and of a toxic that exists the
    toxicity; all or none. Raises ApiError."""
    try:
        fields = Fields(read(body), into=_CHANGES, path=".")
        go_name = _GO_NAMES.get(
            toxic.type, "".join(map(str.title, toxic.type.split("_"))) + "Toxic"
        )
        given = fields.inner("attributes", into=f"toxics.{go_name}")
        go_type = "int" if isinstance(toxic.behaviour_of, Slicer) else "int64"
        numbers = {
            name: given.integer(name, value, go_type)
            for name, value in attrs.asdict(toxic.behaviour_of).items()
        }
        toxicity = toxic.toxicity
        if not is_new:
            toxicity = fields.single("toxicity", toxicity)
        fields.check()
        given.check()
    except BadJsonError as error:
        raise bad_body(error) from error
    for name, value in numbers.items():
        setattr(toxic.behaviour_of, name, value)
    toxic.toxicity = toxicity


def toxic_document(toxic: Toxic) -> dict[str, object]:
    return {
        "attributes": attrs.asdict(toxic.behaviour_of),
        "name": toxic.name,
        "type": toxic.type,
        "stream": toxic.stream,
        "toxicity": shortest_single(toxic.toxicity),
    }


def proxy_document(proxy: Proxy) -> dict[str, object]:
    return {
        "name": proxy.name,
        "listen": proxy.listen,
        "upstream": proxy.upstream,
        "enabled": proxy.enabled,
        "Logger": {},  # The real one shows it too, by mistake.
        "toxics": [toxic_document(toxic) for toxic in proxy.toxics],
    }
