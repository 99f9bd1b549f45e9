"""The order of a step: what makes a node's promises true.

what came -> the core -> journal, one sync -> applied, answered -> messages leave
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from raftleader.errors import NotLeaderError, OverloadedError, RaftLeaderError
from raftleader.replication.interface import Leadership
from raftleader.replication.journal import Journal
from raftleader.replication.member.disk_waits import Waits
from raftleader.replication.member.greeting import Greeting
from raftleader.replication.member.greetings import Greetings
from raftleader.replication.member.parts import Parts
from raftleader.replication.member.proposals import Proposals
from raftleader.replication.member.requests import Requests
from raftleader.replication.member.writing import Outgoing, Writing
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft.core import RaftCore, Role
from raftleader.replication.raft.messages import Message

NOT_FORMED = "not formed"
DISK_FULL = "disk full"
OTHER_SENDER = "other sender"


class Stepping:
    """Does for ``Member`` what has to be done in order; see there for the methods.

    Attributes:
        parts, core: Those in use; made anew when the group is formed.
        leadership: As of the last step.
        is_formed: Messages are taken, and timers run.
        links: Peers to which a link is up.
        refusals: How often something of a peer was not taken, by reason; the core
            has its own.
        now_s: The latest time that was told.
    """

    def __init__(
        self,
        *,
        node_id: str,
        journal: Journal,
        greetings: Greetings,
        writing: Writing,
        proposals: Proposals,
        requests: Requests,
        make_parts: Callable[[float], Parts],
        at_point: Callable[[str], None],
        now_s: float,
    ) -> None:
        self._node_id = node_id
        self._journal = journal
        self._greetings = greetings
        self._writing = writing
        self._proposals = proposals
        self._requests = requests
        self._make_parts = make_parts
        self._at_point = at_point
        self._led_term = 0
        self.now_s = now_s
        self.links: set[str] = set()
        self.refusals: Counter[str] = Counter()
        self.leadership = Leadership(term=0, leader=None, leading=False)
        self.is_formed = greetings.is_formed
        self.parts = make_parts(now_s)
        self.core: RaftCore = self.parts.core
        self._committed = self.parts.applying.configuration
        self._is_learner_unknown = _lacks_instance(self._committed)
        self._see_leadership()

    def receive(self, peer: str, message: Message | Greeting, now_s: float) -> None:
        self.now_s = now_s
        greetings = self._greetings
        if isinstance(message, Greeting):
            refusal = greetings.hear(
                peer, message, self._committed, self.parts.applying.index, self.core
            )
        elif not self.is_formed:
            refusal = NOT_FORMED
        elif self._writing.is_full:
            refusal = DISK_FULL
        elif message.sender != peer:
            refusal = OTHER_SENDER
        else:
            refusal = greetings.refusal(peer, self.core, now_s)
            if not refusal:
                self.core.receive(message, now_s)
                return
        if refusal:
            self.refusals[refusal] += 1

    def link_up(self, peer: str, now_s: float) -> None:
        self.now_s = now_s
        self.links.add(peer)
        self._greetings.greet(peer)
        self.core.link_up(peer)

    def link_down(self, peer: str) -> None:
        self.links.discard(peer)
        self.core.link_down(peer)

    def peer_lost(self, peer: str, now_s: float) -> None:
        self.now_s = now_s
        self._greetings.forget(peer)
        if self.is_formed and not self._writing.is_full:
            self.core.peer_lost(peer, now_s)

    def steps(self, now_s: float) -> Waits[list[Outgoing]]:
        self.now_s = now_s
        out: list[Outgoing] = []
        writing, greetings, parts = self._writing, self._greetings, self.parts
        if writing.is_full:
            has_room = yield from writing.try_again(parts, out, now_s)
            if not has_room:
                self._apply()
                return out
        core = self.core
        if self.is_formed:
            if now_s >= core.wake_at:
                core.tick(now_s)
            if self._proposals.gathered or self._requests.is_new:
                self._submit(now_s)
            if self._is_learner_unknown and self.leadership.leading:
                self._learn_instance(now_s)
        if parts.applying.passed:
            self._see_members()
        if greetings.is_due(now_s):
            greetings.work(self._journal, now_s)
        if core.has_work or self._journal.is_dirty:
            has_room = yield from writing.carry_out(parts, out, now_s)
            if not has_room:
                core.step_down(now_s)
                self._see_leadership()
                return out
        if not self.is_formed and greetings.is_formed:  # which is on disk by now
            self._begin(now_s)
            core = self.core
        self._apply()
        self._see_leadership()
        if self._requests.is_waiting:
            self._requests.settle(core, self.parts.applying.index, now_s)
        if greetings.has_outgoing:
            out[:0] = greetings.take()
        if out:
            self._at_point("before-send")
        return out

    def backgrounds(self) -> Waits[bool]:
        if self._writing.is_full or not self.is_formed:
            return False
        if self.core.has_work:
            return False  # a snapshot must not overtake entries on their way to disk
        parts = self.parts
        if parts.installing.is_active:
            return (yield from parts.installing.works(self.now_s))
        return (yield from parts.snapshotting.works(self.now_s))

    @property
    def has_background(self) -> bool:
        if self._writing.is_full:
            return False
        return self.parts.background_is_due(self.now_s)

    @property
    def wake_at(self) -> float:
        if self._writing.is_full:
            return self._writing.retry_at_s
        if not self.is_formed:
            return max(self.now_s, self._greetings.wake_at)
        core = self.core
        if (
            core.has_work
            or self._proposals.gathered
            or self._requests.is_new
            or self.parts.has_to_apply
            or self._greetings.has_outgoing
            or self._journal.is_dirty
        ):
            return self.now_s
        wake_at, deadline_s = core.wake_at, self._requests.deadline_s
        return wake_at if wake_at < deadline_s else deadline_s

    def _begin(self, now_s: float) -> None:
        """The group is formed: from now on this node takes part."""
        self.is_formed = True
        self.parts = self._make_parts(now_s)
        self.core = self.parts.core
        for peer in sorted(self.links):
            self.core.link_up(peer)
        self._at_point("formed")

    def _submit(self, now_s: float) -> None:
        core, proposals = self.core, self._proposals
        if proposals.gathered:
            first = core.propose(proposals.gathered, now_s)
            if first is None:
                proposals.refuse_gathered(self.not_leader())
            else:
                proposals.submitted(first, core.term)
        self._requests.submit(core, now_s)

    def _learn_instance(self, now_s: float) -> None:
        found = self._greetings.to_be_learned(self.core)
        if found is not None:
            self.core.change(found, now_s)

    def _apply(self) -> None:
        parts = self.parts
        if parts.has_to_apply:
            self._at_point("before-apply")
            parts.applying.apply_some(parts.core)
            self._at_point("after-apply")
        if parts.applying.passed:
            self._see_members()

    def _see_members(self) -> None:
        """Each configuration by itself: a member may be gone in one of them."""
        applying = self.parts.applying
        for index, configuration in applying.passed:
            if self._greetings.members_changed(configuration, index):
                for peer in sorted(self.links):
                    self._greetings.greet(peer)
        applying.passed.clear()
        self._committed = applying.configuration
        self._is_learner_unknown = _lacks_instance(self._committed)

    def _see_leadership(self) -> None:
        core, seen = self.core, self.leadership
        term, leader = core.term, core.leader
        led_term = term if core.role is Role.LEADER else 0
        if led_term != self._led_term:
            if self._led_term > 0:
                self._lost_leadership(led_term)
            self._led_term = led_term
        leading = (
            led_term > 0
            and core.is_ready
            and core.term_at(self.parts.applying.index) == term
        )
        if (term, leader, leading) != (seen.term, seen.leader, seen.leading):
            self.leadership = Leadership(term=term, leader=leader, leading=leading)

    def _lost_leadership(self, led_term: int) -> None:
        """This node leads ``led_term`` now, or not at all."""
        error: RaftLeaderError = self.not_leader()
        if self._writing.is_full:
            error = OverloadedError("the disk is full")
        self._proposals.refuse_gathered(error)
        self._proposals.lost_leadership(led_term, self.core.commit_index)
        self._requests.lost_leadership(error)

    def not_leader(self) -> NotLeaderError:
        """With our best guess of who does lead."""
        leader = self.core.leader
        return NotLeaderError(None if leader == self._node_id else leader)


def _lacks_instance(configuration: Configuration) -> bool:
    """There is a learner whose data directory the configuration does not name."""
    return any(not (peer.is_voter or peer.instance) for peer in configuration.peers)
