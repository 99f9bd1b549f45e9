"""The operator of the simulated group: replaces nodes, one at a time.

To replace a node is to remove it from the group, to start it with an empty disk as a
joining node, to add it as a learner, and to promote it when it has caught up. Each
step is asked of whoever leads, again and again until it is done. A node that lost its
disk is replaced in the same way; before that somebody may start it as if nothing had
happened, and then it must refuse to run, or wait for ever.
"""

from __future__ import annotations

import enum
import random
from collections import Counter
from collections.abc import Sequence

from chaos.sim.fast.agenda import Agenda
from chaos.sim.fast.node import SimNode
from chaos.sim.fast.trace import Trace
from raftleader.replication.raft.configuration import Peer
from raftleader.replication.raft.membership import (
    AddLearner,
    Change,
    Promote,
    Remove,
)

LOOK_S = 0.3
CARELESS_S = 1.5
"""So long a node without its disk runs when it was started as if nothing had been."""


class Stage(enum.Enum):
    """How far the replacement is."""

    NONE = "none"
    CARELESS = "careless"
    REMOVING = "removing"
    ADDING = "adding"
    PROMOTING = "promoting"


class Operator:
    """See the module.

    Attributes:
        node: Who is being replaced, or None.
        has_replaced: Some node was, or is being, replaced in this run.
        has_lost_disk: Its first disk is gone, so until it is a member again the group
            has one voter less to lose.
    """

    def __init__(
        self,
        *,
        agenda: Agenda,
        trace: Trace,
        nodes: Sequence[SimNode],
        rng: random.Random,
        counts: Counter[str],
    ) -> None:
        self.node: SimNode | None = None
        self.stage = Stage.NONE
        self.has_lost_disk = False
        self.has_replaced = False
        self._agenda = agenda
        self._trace = trace
        self._nodes = nodes
        self._rng = rng
        self._counts = counts
        self._is_over = False
        self._keeps_disk = False
        self._began = 0
        self._seen_index = 0

    def end(self) -> None:
        """The operator goes home, whatever stands half done."""
        self._is_over = True

    def is_intact(self, node: SimNode) -> bool:
        """Whether it has all that it ever promised."""
        return node is not self.node or not self.has_lost_disk

    def lose_disk(self, node: SimNode) -> bool:
        """Its disk is gone. Not while another one is being replaced: a minority of
        three is one. False: nothing was done."""
        if self.node is not None or self._is_over:
            return False
        self._begin(node)
        node.crash("with its disk")
        self._new_disk(node)
        if self._rng.random() < 0.5:
            self.stage = Stage.CARELESS
            # One that joined once may speak: it is told by its directory, and refused.
            node.is_careless = not node.is_joining
            node.start()
            self._agenda.after(CARELESS_S, self._end_carelessness, self._began)
        else:
            self._remove(node)
        return True

    def replace(self, node: SimNode) -> bool:
        """Remove it, and add it again, sometimes with the disk that it had."""
        if self.node is not None or self._is_over:
            return False
        self._begin(node)
        self._keeps_disk = self._rng.random() < 0.4
        self._ask_again(Stage.REMOVING)
        return True

    def _begin(self, node: SimNode) -> None:
        self.node = node
        self.has_replaced = True
        self.has_lost_disk = False
        self._keeps_disk = False
        self._began += 1

    def _new_disk(self, node: SimNode) -> None:
        self.has_lost_disk = True
        node.disk.lose()
        node.instance += 1

    def _end_carelessness(self, began: int) -> None:
        if began == self._began and self.node is not None and not self._is_over:
            self.node.is_careless = False
            self.node.crash("it should not have been started")
            self._new_disk(self.node)
            self._remove(self.node)

    def _remove(self, node: SimNode) -> None:
        node.is_kept_down = True
        self._ask_again(Stage.REMOVING)

    def _ask_again(self, stage: Stage) -> None:
        self.stage = stage
        self._agenda.after(LOOK_S * self._rng.random(), self._ask, stage, self._began)

    def _ask(self, stage: Stage, began: int) -> None:
        node = self.node
        if self._is_over or node is None or (stage, began) != (self.stage, self._began):
            return
        self._agenda.after(LOOK_S, self._ask, stage, began)
        leaders = [one for one in self._nodes if one.leader is not None]
        if not leaders:
            return
        life = self._rng.choice(leaders).life
        assert life is not None
        core = life.member.core
        if core.commit_index < self._seen_index:
            return  # it leads no more, and does not know what we saw
        self._seen_index = core.commit_index
        committed = core.configuration_at(core.commit_index)
        peer = committed.peer(node.name)
        if stage is Stage.REMOVING and peer is None:
            self._removed(node)
        elif stage is Stage.ADDING and peer is not None:
            self._ask_again(Stage.PROMOTING)
        elif stage is Stage.PROMOTING and peer is not None and peer.is_voter:
            self._done(node)
        else:
            life.asks.change(self._change(stage, node), lambda result, error: None)

    def _change(self, stage: Stage, node: SimNode) -> Change:
        if stage is Stage.REMOVING:
            return Remove(node.name)
        if stage is Stage.ADDING:
            return AddLearner(Peer(node_id=node.name, address=node.name))
        return Promote(node.name)

    def _removed(self, node: SimNode) -> None:
        self._trace.note(f"{node.name} is removed from the group")
        if not self._keeps_disk:
            node.crash("to be replaced")
            self._new_disk(node)
            node.is_joining = True
        node.is_kept_down = False
        node.start()
        self._ask_again(Stage.ADDING)

    def _done(self, node: SimNode) -> None:
        self._trace.note(f"{node.name} is a voter again")
        self._counts["replaced"] += 1
        self.node = None
        self.stage = Stage.NONE
        self.has_lost_disk = False
