"""Applies the log of a run once more, and judges every state on the way.

Each promise about the log and its states is judged after every entry; all rows of all
tables only now and then, the less often the more there are: that costs time in
proportion to them. Digests that nodes wrote down are compared with ours.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection

import attrs

from chaos.checkers.deadlines_durable import RATE_MAX
from chaos.checkers.equal_digests import EqualDigests
from chaos.checkers.no_resource_twice import NoResourceTwice
from chaos.judging.judgement import PROBLEMS_MAX, Problem
from chaos.judging.log_facts import LogFacts
from chaos.judging.log_judge import LogJudge
from chaos.judging.streams import LogEntry, Stream
from raftleader.errors import InvalidInputError
from raftleader.state import commands as c
from raftleader.state.apply import apply_entry
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import decode_entry
from raftleader.state.snapshot import digest

ROWS_PER_ENTRY = 4
"""Looking at all rows when there are so many for each entry since the last look costs
as much as applying the entries."""
EVERYTHING_EVERY = 32
SECOND_NS = 1_000_000_000
_MADE_ID = re.compile(r"(.+)-[OFSI]\d+-\d+(?:-\d+)?")


@attrs.frozen(kw_only=True)
class Look:
    """A state in a few words: what agents hold, by id, as text; offers; live tasks."""

    agents: dict[str, tuple[str, str]]
    offers: dict[str, str]
    tasks: dict[tuple[str, str], str]
    digest: bytes


@attrs.frozen(kw_only=True)
class Replay:
    """What came of it.

    Attributes:
        problems: By the name of a checker of the log.
        judge: With what it counted.
        digests: Compared with those of nodes.
        looks: States that were asked for, by index.
    """

    facts: LogFacts
    judge: LogJudge
    problems: dict[str, list[Problem]]
    entries: int
    digests: int
    looks: dict[int, Look]

    def of(self, *checkers: str) -> list[Problem]:
        """Problems found by these."""
        return [one for name in checkers for one in self.problems.get(name, ())]


def replay(
    stream: Stream,
    *,
    cluster_id: str = "",
    rate_max: float = RATE_MAX,
    look_at: Collection[int] = (),
) -> Replay:
    """Apply all of it to an empty state.

    ``cluster_id``: if the ids in the log do not tell. ``rate_max``: cluster time may
    run so much faster than time; more than usual where clocks were made to drift.
    ``look_at``: states of these indexes are to be kept in words. Raises ValueError if
    the log does not begin at its beginning, for then nothing can be applied.
    """
    if stream.entries and not _begins(stream):
        first = stream.entries[0]
        raise ValueError(
            f"no node recorded the beginning of the log; it begins with {first.index}"
        )
    judge, facts = LogJudge(), LogFacts()
    judge.deadlines.rate_max = rate_max
    problems: dict[str, list[Problem]] = defaultdict(list)
    wanted = _recorded_digests(stream)
    state = ClusterState(cluster_id=cluster_id_of(stream) or cluster_id)
    looks: dict[int, Look] = {}
    compared = looked = 0
    for entry in stream.entries:
        applied = apply_entry(state, entry.index, entry.term, entry.data)
        decoded = _decoded(entry)
        for checker, text in judge.entry(
            decoded, entry.term, state, applied, entry.at_ns / SECOND_NS
        ):
            _add(problems, checker, entry, text)
        facts.take(entry, decoded, applied, state)
        rows = len(state.tasks) + len(state.offers) + len(state.completed_tasks)
        if entry.index - looked >= max(EVERYTHING_EVERY, rows // ROWS_PER_ENTRY):
            looked = entry.index
            for checker, text in judge.everything(state):
                _add(problems, checker, entry, text)
        if entry.index in look_at:
            looks[entry.index] = _look(state)
        for name, at_ns, told in wanted.get(entry.index, ()):
            compared += 1
            ours = digest(state)
            if ours != told:
                problems[EqualDigests.name].append(
                    Problem(
                        text=(
                            f"at index {entry.index} {name} has the digest"
                            f" {told.hex()}, the log gives {ours.hex()}"
                        ),
                        at_ns=at_ns,
                        node=name.partition(" ")[0],
                        index=entry.index,
                    )
                )
    for text in judge.resources.everything(state):
        if stream.entries:
            _add(problems, NoResourceTwice.name, stream.entries[-1], text)
    return Replay(
        facts=facts,
        judge=judge,
        problems=dict(problems),
        entries=len(stream.entries),
        digests=compared,
        looks=looks,
    )


def cluster_id_of(stream: Stream) -> str:
    """The cluster's id, as it is in the ids that its leaders gave; empty if they gave
    none that anybody named."""
    for entry in stream.entries:
        decoded = _decoded(entry)
        for command in decoded.commands if decoded is not None else ():
            match = _MADE_ID.fullmatch(_named_id(command))
            if match is not None:
                return match[1]
    return ""


def _named_id(command: c.Command) -> str:
    match command:
        case c.GrantOffers(grants=(first, *_)):
            return str(first.agent_id)
        case c.AcceptOffers(offer_ids=(offer_id, *_)):
            return str(offer_id)
        case c.UpdateTasks(agent_id=agent_id):
            return str(agent_id)
        case _:
            return ""


def _begins(stream: Stream) -> bool:
    """Whether some node had nothing before its first entry, and that is ours."""
    first = stream.entries[0].index
    return any(
        life.indexes
        and life.indexes[0] == first
        and all(place or not record.index for place, record in life.restored)
        for life in stream.lives
    )


def _recorded_digests(stream: Stream) -> dict[int, list[tuple[str, int, bytes]]]:
    """By index: (life, time, digest)."""
    found: dict[int, list[tuple[str, int, bytes]]] = defaultdict(list)
    for life in stream.lives:
        for index, told in life.digests:
            found[index].append((life.name, life.ended_ns, told))
        for _, record in life.restored:
            found[record.index].append((life.name, record.at_ns, record.digest))
    return found


def _decoded(entry: LogEntry) -> c.Entry | None:
    try:
        return decode_entry(entry.data)
    except InvalidInputError:
        return None


def _add(
    problems: dict[str, list[Problem]], checker: str, entry: LogEntry, text: str
) -> None:
    if len(problems[checker]) <= PROBLEMS_MAX:
        problems[checker].append(
            Problem(text=text, at_ns=entry.at_ns, node=entry.node, index=entry.index)
        )


def _look(state: ClusterState) -> Look:
    return Look(
        agents={
            row.id: (str(row.used), str(row.offered)) for row in state.agents.values()
        },
        offers={row.id: row.framework_id for row in state.offers.values()},
        tasks={
            key: row.state.value
            for key, row in state.tasks.items()
            if not row.state.is_terminal
        },
        digest=digest(state),
    )
