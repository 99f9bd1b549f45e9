"""Things that must not be, planted into a made-up run in which all was well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import replace
from support.synthetic_cluster import MS
from support.synthetic_history import AGENTS, SECOND, SyntheticRun

from chaos.history.records import Happening, NodeSample, Op, OpType, PhaseRecord
from chaos.observation.format import (
    AppliedEntry,
    Digested,
    Restored,
    RoleChange,
)
from raftleader.protocol.ids import AgentId
from raftleader.state import commands as c

Planter = Callable[[SyntheticRun], None]
VIOLATIONS: dict[str, tuple[str, Planter]] = {}
"""By name: the check that must find it, and how it is planted."""


def plant(name: str, run: SyntheticRun) -> None:
    """Break ``run`` in the way of that name. KeyError for a name that is unknown."""
    VIOLATIONS[name][1](run)


def caught_by(check: str) -> Callable[[Planter], Planter]:
    """Its name is that of the function."""

    def named(planter: Planter) -> Planter:
        VIOLATIONS[planter.__name__.replace("_", "-")] = (check, planter)
        return planter

    return named


# --- The log -------------------------------------------------------------------


@caught_by("I1 all nodes apply one log")
def other_entry(run: SyntheticRun) -> None:
    """A node applies something else at an index."""
    records = _life(run)
    place = _applied(records)[20]
    entry = records[place]
    records[place] = replace(entry, data=entry.data[:-1] + b"\x00")


@caught_by("I1 all nodes apply one log")
def skipped_entry(run: SyntheticRun) -> None:
    """A node leaves an entry out."""
    records = _life(run)
    del records[_applied(records)[20]]


@caught_by("I1 all nodes apply one log")
def entry_again(run: SyntheticRun) -> None:
    """A node applies an entry twice."""
    records = _life(run)
    place = _applied(records)[20]
    records.insert(place + 1, records[place])


@caught_by("I1 all nodes apply one log")
def unknown_snapshot(run: SyntheticRun) -> None:
    """A node takes a state from before what it has."""
    records = _life(run)
    places = _applied(records)
    first = records[places[0]].index
    state = Restored(index=first, at_ns=records[places[20]].at_ns, digest=b"0" * 16)
    records.insert(places[20], state)


@caught_by("P9 equal digests at an index")
def other_digest(run: SyntheticRun) -> None:
    """A node has another state than the log gives."""
    records = _life(run)
    for place, record in enumerate(records):
        if isinstance(record, Digested):
            records[place] = replace(record, digest=b"\x01" * 16)
            return


@caught_by("P9 equal digests at an index")
def other_last_digest(run: SyntheticRun) -> None:
    """A node's last status page shows another state."""
    run.final["leader-2"]["digest"] = "00" * 16


@caught_by("I2 one leader a term")
def two_leaders(run: SyntheticRun) -> None:
    """A follower believes that it leads the term of another."""
    for record in _life(run, run.cluster.names[0]):
        if isinstance(record, RoleChange) and record.term:
            others = [n for n in run.cluster.names if n != record.leader]
            claim = replace(record, leading=True, leader=others[0])
            run.cluster.nodes[others[0]].lives[-1].append(claim)
            return


@caught_by("I2 terms and indexes never go back")
def lower_term(run: SyntheticRun) -> None:
    """A node goes to a lower term."""
    records = _life(run)
    terms = [one for one in records if isinstance(one, RoleChange) and one.term > 1]
    records.append(replace(terms[-1], term=terms[-1].term - 1, leading=False))


@caught_by("I2 terms and indexes never go back")
def lower_index(run: SyntheticRun) -> None:
    """A node's commit index goes back while it runs."""
    for place, record in reversed(list(enumerate(run.records))):
        if isinstance(record, NodeSample) and record.node == _steady(run):
            run.records[place] = replace(record, commit_index=1)
            return


# --- Answers -------------------------------------------------------------------


@caught_by("P1 answered means in the log")
def answer_without_entry(run: SyntheticRun) -> None:
    """An ACCEPT is answered, and the log does not have it."""
    at_ns = run.cluster.now_ns - 5 * SECOND
    value = {"offer_ids": ["x"], "tasks": [{"task_id": "nowhere"}], "attempt": 1}
    _did(run, "churn-1/99", "accept", value, at_ns, at_ns + 5 * MS)


@caught_by("P1 answered means in the log")
def answer_too_early(run: SyntheticRun) -> None:
    """An ACCEPT is answered before anybody has applied it."""
    place, op = _ends(run, "accept")[3]
    begun = next(o for o in _ops(run) if o.id == op.id and o.process == op.process)
    run.records[place] = replace(op, at_ns=begun.at_ns + 1)


@caught_by("operations are in the order of real time")
def overtaken(run: SyntheticRun) -> None:
    """One ACCEPT was answered before another was asked for, which the log has first."""
    ends = _ends(run, "accept")
    early, late = ends[2][1], ends[-2][1]
    _move(run, late, early.at_ns - 30 * SECOND, early.at_ns - 29 * SECOND)


@caught_by("I19 what failed did not happen, what is in doubt happens once")
def failed_and_done(run: SyntheticRun) -> None:
    """An ACCEPT that failed for certain has launched its tasks."""
    place, op = _ends(run, "accept")[5]
    run.records[place] = replace(op, type=OpType.FAIL, error="ApiError: 400")


@caught_by("I17 registers are linearizable")
def stale_read(run: SyntheticRun) -> None:
    """A read gives a value that was overwritten long ago."""
    reads = [pair for pair in _ends(run, "read") if pair[1].key == "register-1"]
    seen = [op.value for _, op in reads if op.value is not None]
    place, op = reads[-1]
    run.records[place] = replace(op, value=seen[0])


# --- Tasks ---------------------------------------------------------------------


@caught_by("I14 accepted tasks run or end")
def launch_never_sent(run: SyntheticRun) -> None:
    """A launch is in the log, and its agent never hears of it."""
    client = next(one for one in run.clients.frameworks if one.kind == "churn")
    cluster = run.cluster
    state = cluster.state
    offer_id = next(iter(state.offers_by_framework[client.framework_id]))
    client.busy_until_ns = 0
    run.clients.accept(client, offer_id)
    cluster.now_ns += 30 * SECOND
    cluster.propose(c.PassTime())
    client.hears("settled", cluster.now_ns, left=[], took_s=1.0)


@caught_by("P5 a launch is started once")
def started_twice(run: SyntheticRun) -> None:
    """An agent reports a task from two containers."""
    name = "container-churn-1-1"
    _rewrite(run, name, name[:-1] + "9", first_only=True)


@caught_by("P6 updates arrive in order")
def update_left_out(run: SyntheticRun) -> None:
    """A framework hears the end of a task before its beginning."""
    updates = [
        (place, one)
        for place, one in _happened(run, "update")
        if one.value["state"] == "TASK_RUNNING" and one.value["uuid"]
    ]
    del run.records[updates[4][0]]


@caught_by("P6 updates arrive in order")
def update_of_nobody(run: SyntheticRun) -> None:
    """A framework hears an update that no log has."""
    place, one = _happened(run, "update")[4]
    run.records[place] = replace(one, value={**one.value, "uuid": "ab" * 16})


@caught_by("P6 updates arrive in order")
def update_after_acknowledgement(run: SyntheticRun) -> None:
    """An acknowledged update is told again by the next leader."""
    _, one = next(
        pair for pair in _happened(run, "update") if pair[1].process == "churn-1"
    )
    run.records.append(replace(one, at_ns=run.cluster.now_ns - SECOND))


@caught_by("I15 reconciliation tells no lies")
def called_lost(run: SyntheticRun) -> None:
    """A task that runs is said to be lost."""
    place, one = next(
        (place, one)
        for place, one in _happened(run, "update")
        if one.value["reason"] == "REASON_RECONCILIATION"
        and one.value["state"] == "TASK_RUNNING"
    )
    run.records[place] = replace(one, value={**one.value, "state": "TASK_LOST"})


# --- Offers --------------------------------------------------------------------


@caught_by("P2 frameworks hold their offers")
def offer_of_nobody(run: SyntheticRun) -> None:
    """A framework is told of an offer that no log has."""
    place, one = _happened(run, "offer")[3]
    run.records[place] = replace(one, value={**one.value, "id": "nobody-O1-1-1"})


@caught_by("P2 frameworks hold their offers")
def offer_of_another(run: SyntheticRun) -> None:
    """A framework is told of an offer that is another's."""
    place, one = _happened(run, "offer")[3]
    other = next(
        other
        for other in run.clients.frameworks
        if other.name != one.process and other.kind == "churn"
    )
    run.records[place] = replace(one, process=other.name)


@caught_by("P2 frameworks hold their offers")
def offer_forgotten(run: SyntheticRun) -> None:
    """An offer has ended, and its framework, which did not answer it, was not told."""
    _, op = next(one for one in _ends(run, "decline") if one[1].process[0] == "h")
    name = (op.process, op.id)
    run.records[:] = [
        one
        for one in run.records
        if not isinstance(one, Op) or (one.process, one.id) != name
    ]


@caught_by("P2 frameworks hold their offers")
def offer_never_sent(run: SyntheticRun) -> None:
    """An offer is out, and its framework was never told of it."""
    out = run.cluster.state.offers
    for place, one in enumerate(run.records):
        is_end = isinstance(one, PhaseRecord) and one.name == "end"
        if is_end or (isinstance(one, Happening) and one.what == "ended"):
            run.records[place] = replace(one, at_ns=one.at_ns + 10 * SECOND)
    run.records[:] = [
        one
        for one in run.records
        if not (
            isinstance(one, Happening)
            and one.what == "offer"
            and one.value["id"] in out
        )
    ]


@caught_by("I10 events come on the newest subscription only")
def old_subscription(run: SyntheticRun) -> None:
    """An instance is told of an offer after another one has subscribed."""
    place, one = next(
        (place, one)
        for place, one in reversed(_happened(run, "resubscribed"))
        if one.process == "churn-1"
    )
    run.records[place] = replace(one, value={**one.value, "instance": 2})


# --- Clients and the end -------------------------------------------------------


@caught_by("clients see nothing impossible")
def impossible(run: SyntheticRun) -> None:
    """A workload was told what cannot be."""
    _tell(run, "churn-1", "impossible", why="task t was FINISHED, and is RUNNING")


@caught_by("I9 registrations are not lost")
def ended_for_good(run: SyntheticRun) -> None:
    """The cluster does not know a framework any more."""
    message = "the framework was ended: Framework has been removed"
    _tell(run, "churn-1", "error", message=message, final=True)


@caught_by("I19 every future ends once, and right")
def future_never_ends(run: SyntheticRun) -> None:
    """A future has no end though its process lived on."""
    place, _ = _ends(run, "submit")[3]
    del run.records[place]


@caught_by("I16 the healed cluster gets everything done")
def unsettled(run: SyntheticRun) -> None:
    """A workload has something left."""
    for place, one in _happened(run, "settled"):
        if one.process == "hoarder-1":
            value = {**one.value, "left": [{"task_id": "t"}]}
            run.records[place] = replace(one, value=value)


@caught_by("I16 the healed cluster gets everything done")
def agent_missing(run: SyntheticRun) -> None:
    """An agent does not come back."""
    cluster = run.cluster
    agent_id = run.clients.agents[AGENTS[0]]
    cluster.propose(c.MarkUnreachable(agent_ids=(AgentId(agent_id),)))


@caught_by("I18 leader and agents agree with the log")
def leaked_offer(run: SyntheticRun) -> None:
    """The leader holds an offer that its log does not have."""
    extra = {"id": "leaked", "framework_id": "f", "agent_id": "a"}
    run.final["offers"]["offers"].append(extra)


@caught_by("I18 leader and agents agree with the log")
def leaked_resources(run: SyntheticRun) -> None:
    """An account of an agent is another one than the log says."""
    run.final["agents"]["agents"][0]["used"] = "cpus:1"


@caught_by("I18 leader and agents agree with the log")
def runs_on(run: SyntheticRun) -> None:
    """An agent runs a task that ended long ago, as far as the log knows."""
    key = next(iter(run.cluster.state.completed_tasks))
    task = {
        "framework_id": {"value": key[0]},
        "task_id": {"value": key[1]},
        "state": "TASK_RUNNING",
    }
    run.final[AGENTS[0]]["get_state"]["get_tasks"] = {"launched_tasks": [task]}


# --- How -----------------------------------------------------------------------


def _steady(run: SyntheticRun) -> str:
    """A node that lived once."""
    return next(n.name for n in run.cluster.nodes.values() if len(n.lives) == 1)


def _life(run: SyntheticRun, name: str = "") -> list[Any]:
    return run.cluster.nodes[name or _steady(run)].lives[0]


def _applied(records: list[Any]) -> list[int]:
    return [n for n, one in enumerate(records) if isinstance(one, AppliedEntry)]


def _ops(run: SyntheticRun) -> Iterator[Op]:
    return (one for one in run.records if isinstance(one, Op))


def _ends(run: SyntheticRun, f: str) -> list[tuple[int, Op]]:
    return [
        (place, one)
        for place, one in enumerate(run.records)
        if isinstance(one, Op) and one.f == f and one.type is OpType.OK
    ]


def _happened(run: SyntheticRun, what: str) -> list[tuple[int, Happening]]:
    return [
        (place, one)
        for place, one in enumerate(run.records)
        if isinstance(one, Happening) and one.what == what
    ]


def _move(run: SyntheticRun, op: Op, began_ns: int, ended_ns: int) -> None:
    for place, one in enumerate(run.records):
        if isinstance(one, Op) and (one.process, one.id) == (op.process, op.id):
            at_ns = began_ns if one.type is OpType.INVOKE else ended_ns
            run.records[place] = replace(one, at_ns=at_ns)


def _did(
    run: SyntheticRun, process: str, f: str, value: Any, began_ns: int, ended_ns: int
) -> None:
    for kind, at_ns in ((OpType.INVOKE, began_ns), (OpType.OK, ended_ns)):
        run.records.append(
            Op(process=process, id=1, type=kind, f=f, at_ns=at_ns, value=value)
        )


def _tell(run: SyntheticRun, process: str, what: str, **value: Any) -> None:
    at_ns = run.cluster.now_ns - SECOND
    run.records.append(Happening(process=process, what=what, at_ns=at_ns, value=value))


def _rewrite(run: SyntheticRun, old: str, new: str, *, first_only: bool) -> None:
    """Change a word in entries, on all nodes."""
    changed: int | None = None
    for node in run.cluster.nodes.values():
        for life in node.lives:
            for place, one in enumerate(life):
                if not isinstance(one, AppliedEntry) or old.encode() not in one.data:
                    continue
                if first_only and changed is None:
                    changed = one.index
                if not first_only or one.index == changed:
                    data = one.data.replace(old.encode(), new.encode())
                    life[place] = replace(one, data=data)
