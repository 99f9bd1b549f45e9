"""``/raftleader/v1/members``: who keeps the log, and changes of it.

GET is answered by every node, from what it knows. POST goes to the leader, with one
change as JSON::

    {"add": {"id": "n4", "address": "tcp://10.0.0.4:5250"}}    without a voice at first
    {"promote": "n4"}                                          gives it one
    {"remove": "n1"}
    {"transfer": "n2"}                                         n2 shall lead

It is answered 200 with the members once the change is committed, or 400 with the reason
why it cannot be made now. Each may be repeated after an unknown outcome: look first.

``connected`` is whether the node that answers can send to that member right now. A
learner that stays unconnected was added with a wrong address, or does not run yet.
``behind``, at the leader, is how many entries of the log the member is known to lack.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from raftleader.api.answers import (
    guarded,
    json_answer,
    method_problem,
    not_leading,
    text_answer,
)
from raftleader.errors import InvalidInputError
from raftleader.httpd.messages import Answer, Deferred, Request
from raftleader.leader.interface import LeaderNode
from raftleader.limits import CALL_TIMEOUT_S
from raftleader.protocol.ids import id_problem
from raftleader.replication.interface import Reconfigurable
from raftleader.replication.raft.configuration import Peer
from raftleader.replication.raft.membership import AddLearner, Promote, Remove
from transports.errors import BadAddressError
from transports.registry import check_address

NAME_CHARS_MAX = 255
_CHANGE_TIMEOUT_S = CALL_TIMEOUT_S - 0.5


class NewMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who comes in, and where its transport listens."""

    id: str
    address: str


class MembersCall(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Exactly one field is set."""

    add: NewMember | None = None
    promote: str | None = None
    remove: str | None = None
    transfer: str | None = None


class MembersEndpoint:
    """Looks at, and changes, the members of the log of ``node``."""

    def __init__(self, node: LeaderNode) -> None:
        self._node = node

    def __call__(self, request: Request) -> Answer | Deferred:
        group = self._node.group
        if group is None:
            engine = self._node.statistics().engine
            return text_answer(
                501, f"The members of the engine {engine} are fixed when it starts\n"
            )
        if request.method == "POST":
            return self._change(request, group)
        return method_problem(request, "GET", "HEAD", "POST") or self._list(group)

    def _list(self, group: Reconfigurable) -> Answer:
        leader = self._node.leadership.leader
        statistics = self._node.statistics()
        connected = {self._node.node_id, *statistics.peers_connected}
        behind = _entries_behind(statistics.details)
        return json_answer(
            [
                {
                    "id": peer.node_id,
                    "address": peer.address,
                    "voter": peer.is_voter,
                    "leading": peer.node_id == leader,
                    "connected": peer.node_id in connected,
                    "behind": behind.get(peer.node_id),
                }
                for peer in group.configuration.peers
            ]
        )

    def _change(self, request: Request, group: Reconfigurable) -> Answer | Deferred:
        if not self._node.leadership.leading:
            return not_leading(self._node, request)
        try:
            call = read_members_call(request.body)
        except InvalidInputError as error:
            return text_answer(400, f"{error}\n")

        async def change() -> Answer:
            await make_change(call, group)
            return self._list(group)

        return guarded(self._node, request, change)


def _entries_behind(details: Mapping[str, object]) -> dict[object, object]:
    """By node id, from what the engine tells of its members, if it does."""
    members = details.get("members")
    if not isinstance(members, list):
        return {}
    return {one["id"]: one["behind"] for one in members}


def read_members_call(body: bytes) -> MembersCall:
    """Raises InvalidInputError for what is not exactly one change."""
    try:
        call = msgspec.json.decode(body, type=MembersCall)
    except msgspec.MsgspecError as error:
        raise InvalidInputError("", f"Failed to parse the body: {error}") from error
    given = [name for name in call.__struct_fields__ if getattr(call, name) is not None]
    if len(given) != 1:
        raise InvalidInputError(
            "", "Expecting exactly one of add, promote, remove, transfer"
        )
    names = {
        "add.id": call.add.id if call.add else None,
        "add.address": call.add.address if call.add else None,
        "promote": call.promote,
        "remove": call.remove,
        "transfer": call.transfer,
    }
    for path, name in names.items():
        if name is not None and not 0 < len(name) <= NAME_CHARS_MAX:
            raise InvalidInputError(path, f"wants 1 to {NAME_CHARS_MAX} characters")
    if call.add is not None:
        _check_new(call.add)
    return call


def _check_new(member: NewMember) -> None:
    """A member that no node could dial, or be started as, would stay for ever dead."""
    if problem := id_problem(member.id):
        raise InvalidInputError("add.id", problem)
    try:
        check_address(member.address)
    except BadAddressError as error:
        raise InvalidInputError("add.address", str(error)) from error


async def make_change(call: MembersCall, group: Reconfigurable) -> None:
    """Returns when it is committed. Raises like ``Reconfigurable``."""
    if call.transfer is not None:
        await group.transfer_leadership(call.transfer, timeout_s=_CHANGE_TIMEOUT_S)
    elif call.add is not None:
        peer = Peer(node_id=call.add.id, address=call.add.address, is_voter=False)
        await group.change_members(AddLearner(peer), timeout_s=_CHANGE_TIMEOUT_S)
    elif call.promote is not None:
        await group.change_members(Promote(call.promote), timeout_s=_CHANGE_TIMEOUT_S)
    else:
        assert call.remove is not None
        await group.change_members(Remove(call.remove), timeout_s=_CHANGE_TIMEOUT_S)
