"""Odd calls that Mesos takes, and so do we."""

from __future__ import annotations

from support.scheduler_http import Api, Framework

LENIENT: list[tuple[str, bytes]] = [
    ("null is unset", b'{"revive":null,"suppress":null}'),
    ("unknown fields", b'{"nonsense":{"a":[1]},"revive":{"foo":1,"roles":[]}}'),
    ("an element for a list", b'{"revive":{"roles":"*"}}'),
    ("a number where text belongs", b'{"type":"SUPPRESS","suppress":{"roles":[7]}}'),
    ("escapes", b'{"revive":{"roles":["\\u002a"]}}'),
    ("white space", b'\n\t {"revive" : { } } \r\n'),
    (
        "numbers as text",
        b'{"type":"DECLINE","decline":{"offer_ids":[],'
        b'"filters":{"refuse_seconds":"1.5"}}}',
    ),
    (
        "an endless filter",
        b'{"type":"DECLINE","decline":{"filters":{"refuse_seconds":"Infinity"}}}',
    ),
    (
        "an unknown offer",
        b'{"type":"DECLINE","decline":{"offer_ids":{"value":"nonsense"}}}',
    ),
    ("no body of REVIVE", b"{}"),
    ("a role that is not its own", b'{"type":"SUPPRESS","suppress":{"roles":["x"]}}'),
    ("an invalid role", b'{"type":"SUPPRESS","suppress":{"roles":["a b"]}}'),
    ("an unknown task", b'{"type":"KILL","kill":{"task_id":{"value":"nonsense"}}}'),
    (
        "an unknown executor",
        b'{"type":"SHUTDOWN","shutdown":{"executor_id":{"value":"e"},'
        b'"agent_id":{"value":"a"}}}',
    ),
    (
        "a message to nobody",
        b'{"type":"MESSAGE","message":{"executor_id":{"value":"e"},'
        b'"agent_id":{"value":"a"},"data":"AA=="}}',
    ),
    (
        "an update that is not pending",
        b'{"type":"ACKNOWLEDGE","acknowledge":{"task_id":{"value":"t"},'
        b'"agent_id":{"value":"a"},"uuid":"AAECAwQFBgcICQoLDA0ODw=="}}',
    ),
    (
        "an unknown operation",
        b'{"type":"ACKNOWLEDGE_OPERATION_STATUS","acknowledge_operation_status":'
        b'{"operation_id":{"value":"o"},"agent_id":{"value":"a"},'
        b'"uuid":"AAECAwQFBgcICQoLDA0ODw=="}}',
    ),
    (
        "an unknown inverse offer",
        b'{"type":"ACCEPT_INVERSE_OFFERS",'
        b'"accept_inverse_offers":{"inverse_offer_ids":[{"value":"i"}]}}',
    ),
    ("a request", b'{"type":"REQUEST","request":{"requests":[{"resources":[]}]}}'),
    ("operations", b'{"type":"RECONCILE_OPERATIONS","reconcile_operations":{}}'),
]
"""Odd, and taken with 202."""


async def test_what_mesos_takes_is_taken(address: tuple[str, int]) -> None:
    framework = Framework(Api(address))
    await framework.begin()
    begin = b'{"type":"REVIVE","framework_id":{"value":"%b"},' % framework.id.encode()
    wrong = []
    for row, odd in LENIENT:
        # The last of two equal names counts, as in Mesos.
        head, _, tail = odd.partition(b"{")
        body = head + begin + tail if tail.strip() != b"}" else head + begin[:-1] + b"}"
        reply = await framework.api.ask(body, mesos_stream_id=framework.stream_id)
        if (reply.status, reply.body) != (202, b""):
            wrong.append(f"{row}: {reply.status} {reply.body!r}")
    assert not wrong, "\n".join(wrong)
