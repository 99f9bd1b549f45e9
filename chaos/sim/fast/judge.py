"""All checkers of a run in one hand: everybody tells it, it knows who must hear.

What concerns the log is judged once for each index, at the first node that applies
it; other nodes are compared with that.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING

from chaos.checkers.accepts_once import AcceptsOnce
from chaos.checkers.answered_committed import AnsweredIsCommitted
from chaos.checkers.callbacks_settled import CallbacksSettled
from chaos.checkers.committed_safe import CommittedSafe, Log
from chaos.checkers.committed_stay import CommittedStay
from chaos.checkers.deadlines_durable import DeadlinesDurable
from chaos.checkers.deposed_harmless import DeposedHarmless
from chaos.checkers.equal_digests import EqualDigests
from chaos.checkers.launches_once import LaunchesOnce
from chaos.checkers.no_resource_twice import NoResourceTwice
from chaos.checkers.offers_accounted import OffersAccounted
from chaos.checkers.old_answers import OldAnswers
from chaos.checkers.one_leader import OneLeader
from chaos.checkers.one_vote import OneVote
from chaos.checkers.operations_told import OperationsTold
from chaos.checkers.quota_kept import QuotaKept
from chaos.checkers.told_is_durable import Position, ToldIsDurable
from chaos.checkers.updates_delivered import UpdatesDelivered
from chaos.checkers.volumes_kept import VolumesKept
from chaos.sim.fast.agenda import Agenda
from chaos.sim.fast.trace import Trace
from chaos.sim.report import Violation
from raftleader.errors import InvalidInputError
from raftleader.protocol.agent_rpc import VolumeName
from raftleader.protocol.ids import FrameworkId, OfferId, TaskId, TaskKey
from raftleader.protocol.offers import Offer, OperationStatus
from raftleader.protocol.tasks import TaskStatus
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import decode_entry
from raftleader.state.outcomes import Applied
from raftleader.state.snapshot import digest

if TYPE_CHECKING:
    from chaos.sim.fast.agent import SimAgent
    from chaos.sim.fast.node import SimNode
    from chaos.sim.fast.node_life import NodeLife
    from raftleader.replication.raft.core import RaftCore

DIGEST_EVERY = 16
EVERYTHING_EVERY = 32
"""A digest, and a look at all rows, cost time in proportion to the state."""
VIOLATIONS_MAX = 50
FAILED = "nothing fails"


class Judge:
    """See the module.

    Attributes:
        violations: So far, in the order in which they were seen.
        elections: Terms in which somebody led.
        accepted_tasks: Tasks whose ACCEPT was answered.
        held: Offers by framework name, as told and not taken back.
    """

    def __init__(self, seed: int, agenda: Agenda, trace: Trace) -> None:
        self.trace = trace
        self.violations: list[Violation] = []
        self.counts: Counter[str] = Counter()
        self.accepted_tasks: dict[TaskKey, None] = {}
        self.one_leader = OneLeader()
        self.one_vote = OneVote()
        self.durable = ToldIsDurable()
        self.committed = CommittedStay()
        self.safe = CommittedSafe()
        self.old_answers = OldAnswers()
        self.digests = EqualDigests()
        self.answers = AnsweredIsCommitted()
        self.offers = OffersAccounted()
        self.accepts = AcceptsOnce()
        self.resources = NoResourceTwice()
        self.launches = LaunchesOnce()
        self.updates = UpdatesDelivered()
        self.operations = OperationsTold()
        self.quota = QuotaKept()
        self.volumes = VolumesKept()
        self.deadlines = DeadlinesDurable()
        self.deposed = DeposedHarmless()
        self.callbacks = CallbacksSettled()
        self._seed = seed
        self._agenda = agenda
        self._newest: ClusterState | None = None

    def report(self, checker: str, problems: Iterable[str]) -> None:
        """These are broken promises."""
        for problem in problems:
            self.trace.note(f"VIOLATION {checker}: {problem}")
            if len(self.violations) < VIOLATIONS_MAX:
                self.violations.append(
                    Violation(
                        seed=self._seed,
                        checker=checker,
                        at_s=round(self._agenda.now_s, 6),
                        message=problem,
                    )
                )

    def failed(self, text: str, error: BaseException | None = None) -> None:
        """What must not happen and no checker looks for."""
        if error is not None and error.__traceback__ is not None:
            last = error.__traceback__
            while last.tb_next is not None:
                last = last.tb_next
            code = last.tb_frame.f_code
            where = code.co_filename.rpartition("/")[2]
            text = f"{text} ({where}:{last.tb_lineno} in {code.co_name})"
        self.report(FAILED, [text])

    # --- nodes ----------------------------------------------------------------------

    def leads(self, node: str, term: int) -> None:
        self.counts["elections"] += 1
        self.trace.note(f"{node} leads term {term}")
        self.report(OneLeader.name, self.one_leader.leads(node, term))

    def began_term(self, node: str, term: int) -> None:
        self.counts["terms served"] += 1
        self.trace.note(f"{node} serves in term {term}")

    def voted(self, voter: Hashable, term: int, candidate: str) -> None:
        self.durable.voted(voter, term, candidate)
        problems = self.one_vote.voted(voter, term, candidate)
        if problems:
            self.report(OneVote.name, problems)

    def told_term(self, node: Hashable, term: int) -> None:
        self.durable.told_term(node, term)

    def promised(self, node: Hashable, entry: Position) -> None:
        self.durable.acknowledged(node, entry)

    def holds(self, node: Hashable, last: Position) -> None:
        """Its log ends so after a step."""
        problems = self.durable.holds(node, last)
        if problems:
            self.report(ToldIsDurable.name, problems)

    def restarted(
        self, node: Hashable, *, term: int, vote: str | None, last: Position
    ) -> None:
        problems = self.durable.restarted(node, term=term, vote=vote, last=last)
        self.report(ToldIsDurable.name, problems)

    def spoke(self, node: SimNode, core: RaftCore) -> None:
        """It has voted, or acknowledged. One without the disk that it had is for the
        others the member of that name, and back."""
        if node.is_careless:
            node.is_careless = False
            self.restarted(
                (node.name, node.instance - 1),
                term=core.term,
                vote=core.vote,
                last=(core.last_term, core.last_index),
            )

    def refused_to_run(self, node: str, instance: int, text: str) -> None:
        self.counts["refused to run"] += 1
        if instance == 1:
            self.failed(f"{node} refuses to run, with its first disk: {text}")

    def commits(self, node: str, index: int, term: int) -> None:
        """``node`` takes its entries up to ``index`` for committed."""
        problems = self.committed.committed(node, index, term)
        if problems:
            self.report(CommittedStay.name, problems)

    def leader_commits(
        self,
        node: str,
        index: int,
        term: int,
        leads: int,
        logs: Mapping[str, Log] | None,
    ) -> None:
        """Judge that by the logs of all nodes, if they can tell."""
        problems = self.safe.counted(node, index, term, leads)
        if logs is not None:
            problems += self.safe.committed(node, index, term, logs)
        if problems:
            self.report(CommittedSafe.name, problems)

    def old_answer(
        self,
        node: str,
        term: int,
        message: str,
        before: Mapping[str, Hashable],
        after: Mapping[str, Hashable],
        *,
        is_refused: bool,
    ) -> None:
        """An answer of an earlier term reached a leader."""
        problems = self.old_answers.received(
            node, term, message, before, after, is_refused=is_refused
        )
        self.report(OldAnswers.name, problems)

    # --- the log --------------------------------------------------------------------

    def applied(
        self,
        node: str,
        index: int,
        term: int,
        data: bytes,
        state: ClusterState,
        applied: Applied,
    ) -> None:
        """``node`` applied an entry, and this is its state now."""
        committed = self.committed
        is_new = index > committed.last_index
        problems = committed.applied(node, index, term, data)
        if problems:
            self.report(CommittedStay.name, problems)
        if index % DIGEST_EVERY == 0:
            self.observe(node, state)
        if not is_new:
            return
        self.trace.note(f"{node} commits {index} of term {term}")
        self.counts["entries"] += 1
        try:
            entry = decode_entry(data)
        except InvalidInputError:
            entry = None
        touched = applied.touched
        problems = self.offers.applied(entry, state)
        if problems:
            self.report(OffersAccounted.name, problems)
        problems = self.accepts.applied(entry, state)
        if problems:
            self.report(AcceptsOnce.name, problems)
        if touched.agents:
            problems = self.resources.applied(touched.agents, state)
            if problems:
                self.report(NoResourceTwice.name, problems)
        self.updates.applied(touched.tasks, touched.frameworks, state)
        self._newest = state
        if touched.operations:
            self.operations.applied(touched.operations, state)
        if touched.offers and state.quotas:
            problems = self.quota.applied(entry, touched.offers, state)
            self.report(QuotaKept.name, problems)
        problems = self.deadlines.applied(entry, state, self._agenda.now_s)
        if problems:
            self.report(DeadlinesDurable.name, problems)
        problems = self.deposed.applied(entry, term, applied)
        if problems:
            self.report(DeposedHarmless.name, problems)
        if index % EVERYTHING_EVERY == 0:
            self.report(NoResourceTwice.name, self.resources.everything(state))

    def observe(self, node: str, state: ClusterState) -> None:
        """Compare this state with others of its index."""
        problems = self.digests.observed(node, state.index, digest(state))
        if problems:
            self.report(EqualDigests.name, problems)

    # --- callers --------------------------------------------------------------------

    @property
    def newest_answer(self) -> int:
        """Highest index whose outcome was answered."""
        return self.answers.newest

    def answered(self, node: str, index: int) -> None:
        self.trace.note(f"{node} answers for {index}")
        problems = self.answers.answered(node, index, self.committed.last_index)
        self.report(AnsweredIsCommitted.name, problems)

    def read(self, node: str, asked_after: int, index: int) -> None:
        self.counts["reads"] += 1
        problems = self.answers.read(node, asked_after, index)
        self.report(AnsweredIsCommitted.name, problems)

    def asked(self, life: NodeLife, kind: str) -> int:
        return self.callbacks.asked(life, kind, self._agenda.now_s)

    def settled(self, life: NodeLife, number: int) -> None:
        problems = self.callbacks.settled(life, number)
        if problems:
            self.report(CallbacksSettled.name, problems)

    # --- agents ---------------------------------------------------------------------

    def started(self, agent: str, key: TaskKey) -> None:
        self.trace.note(f"{agent} starts {key[1]}")
        problems = self.launches.started(
            agent, key, self._agenda.now_s, self.accepts.launched
        )
        self.report(LaunchesOnce.name, problems)

    def ordered(self, agent: str, term: int, seen: int, effects: list[str]) -> None:
        problems = self.deposed.ordered(agent, term, seen, effects)
        if problems:
            self.report(DeposedHarmless.name, problems)

    def dropped(self, agent: SimAgent, volumes: Iterable[VolumeName]) -> None:
        """An agent deletes these volumes."""
        agent_id = agent.identity.agent_id
        problems = self.volumes.dropped(agent_id, volumes, self._newest)
        self.report(VolumesKept.name, problems)

    # --- frameworks -----------------------------------------------------------------

    def subscribed(self, framework: str, framework_id: FrameworkId) -> None:
        self.trace.note(f"{framework} is subscribed as {framework_id}")

    def offered(self, framework: str, offer: Offer) -> None:
        self.counts["offers"] += 1

    def rescinded(self, framework: str, offer_id: OfferId) -> None:
        self.counts["rescinds"] += 1

    def accepted(self, framework_id: FrameworkId, task_id: TaskId) -> None:
        """An ACCEPT with this task was answered."""
        self.accepted_tasks[framework_id, task_id] = None

    def answer_lost(self) -> None:
        self.counts["answers lost"] += 1

    def delivered(self, framework_id: FrameworkId, status: TaskStatus) -> None:
        problems = self.updates.heard(framework_id, status)
        if problems:
            self.report(UpdatesDelivered.name, problems)

    def operation_told(
        self, framework_id: FrameworkId, status: OperationStatus
    ) -> None:
        """The end of an operation reached its framework."""
        problems = self.operations.heard(framework_id, status)
        if problems:
            self.report(OperationsTold.name, problems)


class ErrorLog(logging.Handler):
    """A log record at ERROR means that a person must look: a run must have none."""

    LOGGERS = ("raftleader", "agent", "chaos", "transports")

    def __init__(self, judge: Judge) -> None:
        super().__init__(logging.ERROR)
        self._judge = judge
        self._before: list[tuple[logging.Logger, bool]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._judge.failed(f"logged {record.levelname}: {record.getMessage()}")

    def __enter__(self) -> None:
        for name in self.LOGGERS:
            logger = logging.getLogger(name)
            self._before.append((logger, logger.propagate))
            logger.addHandler(self)
            logger.propagate = False

    def __exit__(self, *_: object) -> None:
        for logger, propagate in self._before:
            logger.removeHandler(self)
            logger.propagate = propagate
