"""What an operator does to the group while it works: members go and come, the leader
hands over, a node whose disk is lost is removed and added again.

One such operation at a time, since one lost disk is all that a group of three is
promised to survive. Whatever an operation began is finished, if need be when all
other faults are over: ``finish`` is what an operator does last.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import attrs
import trio

from chaos.sim.options import Fault
from chaos.sim.whole.node import SimulatedNode
from chaos.sim.whole.targets import Targets
from raftleader.errors import RaftLeaderError
from raftleader.replication.raft.configuration import Configuration, Peer
from raftleader.replication.raft.membership import (
    AddLearner,
    Change,
    Promote,
    Remove,
)
from raftleader.replication.raft_log import RaftLog

CHANGE_TIMEOUT_S = 3.0
RETRY_S = 0.5
GIVE_UP_S = 8.0
"""An operator tries so long to remove a healthy member, then leaves it."""


@attrs.define(eq=False)
class MemberFaults:
    """See the module.

    Attributes:
        lost: The node whose disk was lost and that has not been removed since.
        has_lost: There was one.
    """

    targets: Targets
    lost: SimulatedNode | None = None
    has_lost: bool = False
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    def acts(self) -> Mapping[Fault, Callable[[], Awaitable[None]]]:
        """What is done for each class."""
        return {
            Fault.MEMBERSHIP: self.remove_and_add,
            Fault.TRANSFER: self.transfer,
            Fault.LOST_DISK: self.lose_disk,
        }

    async def transfer(self) -> None:
        leader, log = self._leader()
        others = [node for node in self.targets.nodes if node is not leader]
        if log is None:
            return
        target = self.targets.rng.choice(others).name
        try:
            await log.transfer_leadership(target, timeout_s=CHANGE_TIMEOUT_S)
        except RaftLeaderError as error:
            self.targets.history.note(f"no transfer to {target}: {error}")
        else:
            self.targets.history.fired(Fault.TRANSFER, target)

    async def remove_and_add(self) -> None:
        async with self._turn:
            with trio.move_on_after(GIVE_UP_S):
                await self._finish()
                node = self.targets.rng.choice(self.targets.nodes)
                await self._until_done(Remove(node.name))
                self.targets.history.fired(Fault.MEMBERSHIP, f"{node.name} is out")
                await self.targets.wait()
                await self._come_in(node)

    async def lose_disk(self) -> None:
        """Only where all are members, and every other node is up and has it all."""
        async with self._turn:
            with trio.move_on_after(GIVE_UP_S):
                await self._finish()
                node = self.targets.any_node()
                others = [one for one in self.targets.nodes if one is not node]
                if self._are_fit(others):
                    await self._lose(node)
                    await self.targets.wait()
                    await self._finish()

    async def finish(self) -> None:
        """Every node that lives is a voter again. Until done."""
        async with self._turn:
            await self._finish()

    @property
    def is_finished(self) -> bool:
        """Every node that lives is a voter, as whoever leads has it."""
        _, log = self._leader()
        return log is None or all(
            node.lives.is_over or node.name in log.configuration.voters
            for node in self.targets.nodes
        )

    @property
    def is_settled(self) -> bool:
        """No operation is half done, and every node is a voter wherever one looks."""
        return self.lost is None and all(
            self._is_voter_everywhere(node) for node in self.targets.nodes
        )

    # --- Within ---------------------------------------------------------------------

    async def _finish(self) -> None:
        """What an operation began and did not end. A group that lacks members must
        not lose another."""
        await self._replace()
        for node in self.targets.nodes:
            if not node.lives.is_over:
                await self._come_in(node)

    async def _lose(self, node: SimulatedNode) -> None:
        self.targets.history.fired(Fault.LOST_DISK, node.name)
        self.lost, self.has_lost = node, True
        await node.crash(is_power_cut=True)
        node.disk.lose()
        node.is_lost = True

    async def _replace(self) -> None:
        """The lost one goes out of the group, and comes back with an empty disk."""
        node = self.lost
        if node is None:
            return
        await self._until_done(Remove(node.name))
        self.lost = None
        node.is_joining = True
        node.is_lost = False
        await node.start()
        await self._come_in(node)

    async def _come_in(self, node: SimulatedNode) -> None:
        peer = Peer(node_id=node.name, address=node.address)
        await self._until_done(AddLearner(peer))
        await node.start()
        await self._until_done(Promote(node.name))

    async def _until_done(self, change: Change) -> None:
        """Ask whoever leads, until the leader's configuration says that it is so."""
        history = self.targets.history
        while True:
            _, log = self._leader()
            if log is not None and _is_done(change, log.configuration):
                return
            if log is not None:
                try:
                    await log.change_members(change, timeout_s=CHANGE_TIMEOUT_S)
                except RaftLeaderError as error:
                    history.note(f"not changed yet: {error}")
                else:
                    history.note(f"members changed: {change}")
                    return
            await trio.sleep(RETRY_S)

    def _leader(self) -> tuple[SimulatedNode | None, RaftLog | None]:
        for node in self.targets.leaders:
            if isinstance(node.log, RaftLog):
                return node, node.log
        return None, None

    def _is_voter_everywhere(self, node: SimulatedNode) -> bool:
        """In every configuration that a node which lives knows of."""
        return all(
            node.name in configuration.voters
            for one in self.targets.nodes
            for configuration in one.configurations
        )

    def _are_fit(self, nodes: list[SimulatedNode]) -> bool:
        """They are up, and have what the others have: else the disk that is lost
        might have had the last copy but one."""
        indexes = [node.state.index for node in nodes]
        return (
            self.is_settled
            and all(node.lives.is_up for node in nodes)
            and max(indexes) - min(indexes) < 50
        )


def _is_done(change: Change, configuration: Configuration) -> bool:
    if isinstance(change, AddLearner):
        return configuration.peer(change.peer.node_id) is not None
    if isinstance(change, Promote):
        return change.node_id in configuration.voters
    if isinstance(change, Remove):
        return configuration.peer(change.node_id) is None
    return True
