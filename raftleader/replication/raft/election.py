"""Who leads: campaigns, votes, and the patience before them (sections 3.4, 9.6).

A node that lost its leader first asks whether it would be elected (a probe, or
pre-vote). Nothing changes by asking, so that a node which was cut off cannot depose a
healthy leader with a high term when it comes back; and whoever hears a leader says
no. Only a majority of grants begins a campaign: a new term, and this node's vote for
itself, on disk before anybody is asked.

Votes are counted by voter, in the term and the kind of the question. The vote of a
term is given once, and the same one again to whoever asks again.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from raftleader.replication.raft.group import Group, Role
from raftleader.replication.raft.messages import RequestVote, TimeoutNow, VoteReply

LOST_LEADER_PATIENCE = 0.2
"""A node whose link from the leader broke waits at most this part of the shortest
election timeout: others notice at the same time, and shall not collide."""
RIVALRY = 0.25
"""For this part of the shortest election timeout after a node asked, it says no to a
rival who asks for the same term and would lose a comparison: two who noticed at the
same time would else both campaign, and each keep its vote to itself. Not for longer:
its own questions may reach nobody."""
FULL_DISK_TIMEOUTS = 4
"""A node that gave up leadership lets so many longest election timeouts pass before
it campaigns: another one should lead by then."""


class Election:
    """The part of one node. ``on_won`` begins the reign."""

    def __init__(self, group: Group, *, on_won: Callable[[], None]) -> None:
        self._group = group
        self._on_won = on_won
        self._asked_at = -math.inf
        self._refused_by: set[str] = set()

    # --- patience -----------------------------------------------------------------

    def lose_patience(self) -> None:
        """The deadline passed: whoever led does not any more, as far as we know."""
        group = self._group
        group.leader = None
        group.draw_deadline()
        if not self._may_campaign():
            if group.role is not Role.FOLLOWER:
                group.follow(group.term, None)
            group.deadline = group.now_s + group.timeout_s
            return
        group.role = Role.PRE_CANDIDATE
        group.counts["pre_campaigns"] += 1
        self._asked_at = group.now_s
        self._refused_by.clear()
        self._ask(group.term + 1, is_probe=True)

    def _may_campaign(self) -> bool:
        """Voters may; and a voter whose removal is not known to be committed: its
        log may be the only one that can win. It then does not count its own vote, and
        leaves when the removal is committed (section 4.2.2)."""
        group, log = self._group, self._group.log
        if group.is_voter or log.configuration_index <= group.commit_index:
            return group.is_voter
        before = log.configuration_at(log.configuration_index - 1)
        return group.node_id in before.voters

    def peer_lost(self, peer: str) -> None:
        """The link that ``peer`` sends on ended. If it leads, ask soon whether the
        others lost it too: they say no while they hear it."""
        group = self._group
        if peer != group.leader or group.role is not Role.FOLLOWER:
            return
        group.heard_at = -math.inf
        longest_s = group.settings.election_timeout_min_s * LOST_LEADER_PATIENCE
        soon = group.now_s + group.draw_within(longest_s)
        group.deadline = min(group.deadline, soon)

    def step_down(self) -> None:
        """Follow, in the same term, and leave the next campaigns to others."""
        group = self._group
        group.follow(group.term, None)
        timeouts = 1 if group.voters == (group.node_id,) else FULL_DISK_TIMEOUTS
        wait_s = timeouts * group.settings.election_timeout_max_s
        group.deadline = group.now_s + wait_s

    # --- campaigns ----------------------------------------------------------------

    def campaign(self, *, is_transfer: bool = False) -> None:
        """A new term, led by this node if a majority votes for it."""
        group = self._group
        group.term += 1
        group.vote = group.node_id
        group.is_ballot_new = True
        group.accepted_index = None
        group.role = Role.CANDIDATE
        group.leader = None
        group.draw_deadline()
        group.counts["campaigns"] += 1
        self._ask(group.term, is_probe=False, is_transfer=is_transfer)

    def _ask(self, term: int, *, is_probe: bool, is_transfer: bool = False) -> None:
        group = self._group
        group.votes = {group.node_id}
        if self._has_won():
            self._won()
            return
        request = self._question(term, is_probe=is_probe, is_transfer=is_transfer)
        for voter in group.voters:
            if voter != group.node_id:
                group.send(voter, request)

    def _question(
        self, term: int, *, is_probe: bool, is_transfer: bool = False
    ) -> RequestVote:
        group = self._group
        return RequestVote(
            sender=group.node_id,
            term=term,
            last_index=group.log.last_index,
            last_term=group.log.last_term,
            is_probe=is_probe,
            is_transfer=is_transfer,
        )

    def _has_won(self) -> bool:
        group = self._group
        return sum(one in group.votes for one in group.voters) >= group.quorum

    def _won(self) -> None:
        if self._group.role is Role.PRE_CANDIDATE:
            self.campaign()
        else:
            self._on_won()

    # --- messages -----------------------------------------------------------------

    def on_request(self, message: RequestVote) -> None:
        """Answer a candidate.

        A candidate that is no member may know of a later configuration than we do,
        and is heard if its log is not older than ours. One that was removed, and does
        not know it, has an older log than everybody who does (section 4.2.3).
        """
        group = self._group
        is_covered = group.log.is_covered_by(message.last_term, message.last_index)
        if not is_covered and not group.is_member(message.sender):
            group.refuse("not a member")
            return
        if message.is_probe:
            is_granted = (
                is_covered
                and message.term > group.term
                and not self._hears_leader()
                and not self._goes_before(message)
            )
            if is_granted:
                self._give_way(message)
            self._reply(message, is_granted=is_granted)
            if not is_granted:
                self._ask_again(message)
            if not is_covered and not self._hears_leader():
                self._lose_extra_patience()
            return
        if message.term > group.term:
            if self._hears_leader() and not message.is_transfer:
                group.refuse("vote asked while the leader is heard")
                self._reply(message, is_granted=False)
                return
            group.follow(message.term, None)
        is_granted = is_covered and self._may_grant(message)
        if is_granted:
            self._grant(message.sender)
        self._reply(message, is_granted=is_granted)

    def _is_rival(self, message: RequestVote) -> bool:
        """Both ask whether they would be elected in the same term."""
        group = self._group
        return group.role is Role.PRE_CANDIDATE and message.term == group.term + 1

    def _goes_before(self, message: RequestVote) -> bool:
        """This node asks too, asked just now, and goes first: unless the rival, who
        may not have noticed that the leader was gone, said no to it."""
        group, log = self._group, self._group.log
        patience_s = group.settings.election_timeout_min_s * RIVALRY
        if not self._is_rival(message) or message.sender in self._refused_by:
            return False
        if group.now_s > self._asked_at + patience_s:
            return False
        ours = (log.last_term, log.last_index, group.node_id)
        return ours > (message.last_term, message.last_index, message.sender)

    def _give_way(self, message: RequestVote) -> None:
        """Whoever was told yes should not meet us as a candidate."""
        if self._is_rival(message):
            self._group.role = Role.FOLLOWER

    def _ask_again(self, message: RequestVote) -> None:
        """Who said no to us asks now itself: so it has noticed that the leader is
        gone, and cannot win against our log; it may say yes now."""
        group = self._group
        if self._is_rival(message) and message.sender in self._refused_by:
            self._refused_by.discard(message.sender)
            group.send(message.sender, self._question(message.term, is_probe=True))

    def _lose_extra_patience(self) -> None:
        """Somebody wants to lead and cannot win against our log. Then we should, though
        our disk was full a moment ago."""
        group = self._group
        group.deadline = min(group.deadline, group.now_s + group.timeout_s)

    def _may_grant(self, message: RequestVote) -> bool:
        """One vote a term, and the same one again if it is asked again."""
        group = self._group
        return message.term == group.term and group.vote in (None, message.sender)

    def _grant(self, candidate: str) -> None:
        """Our vote of this term, for ever: on disk before the answer leaves."""
        group = self._group
        if group.vote != candidate:
            group.vote = candidate
            group.is_ballot_new = True
        group.deadline = group.now_s + group.timeout_s

    def _hears_leader(self) -> bool:
        """Leader stickiness: nobody is elected while most hear a leader."""
        group = self._group
        if group.role is Role.LEADER:
            return True
        silence_s = group.now_s - group.heard_at
        is_recent = silence_s < group.settings.election_timeout_min_s
        return group.leader is not None and is_recent

    def _reply(self, message: RequestVote, *, is_granted: bool) -> None:
        group = self._group
        reply = VoteReply(
            sender=group.node_id,
            term=message.term if is_granted else group.term,
            is_probe=message.is_probe,
            is_granted=is_granted,
        )
        group.send(message.sender, reply)

    def on_reply(self, message: VoteReply) -> None:
        """Count a vote, or learn of a later term."""
        group = self._group
        if not group.is_member(message.sender):
            group.refuse("not a member")
        elif message.is_granted and message.is_probe:
            self._count(message, Role.PRE_CANDIDATE, group.term + 1)
        elif message.term > group.term:
            group.follow(message.term, None)
        elif message.is_granted:
            self._count(message, Role.CANDIDATE, group.term)
        elif message.is_probe:
            self._refused_by.add(message.sender)

    def _count(self, message: VoteReply, role: Role, term: int) -> None:
        group = self._group
        if group.role is not role or message.term != term:
            return  # the campaign is over
        group.votes.add(message.sender)
        if self._has_won():
            self._won()

    def on_timeout_now(self, message: TimeoutNow) -> None:
        """The leader hands over to us (section 3.10): no probe, no patience."""
        group = self._group
        if message.term != group.term or message.sender != group.leader:
            group.refuse("hand-over by somebody who does not lead")
        elif group.role is not Role.FOLLOWER or not group.is_voter:
            group.refuse("hand-over to a node that may not lead")
        else:
            self.campaign(is_transfer=True)
