"""Transcripts of the state machine: what goes in, and what comes out, to be read.

A scenario is a text file of blocks, each a directive, input lines, ``----`` and the
expected output up to an empty line:

    apply +5000
    accept F=c-F3-0 offers=c-O4-0-0 t1=cpus:1;mem:32
    ----
    accepted
    touched agents=c-S2-0 offers=c-O4-0-0 tasks=t1

The words are those of ``_VERBS`` and ``_QUERIES`` below. With RAFTLEADER_REWRITE=1
in the environment the expected output is written anew, to be looked at in the diff.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from raftleader.protocol.agent_rpc import AgentUpdate
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.offers import Launch
from raftleader.protocol.resources import parse_resources
from raftleader.protocol.tasks import (
    CommandInfo,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from raftleader.state import commands as c
from raftleader.state import queries
from raftleader.state.outcomes import Applied, Outcome, Registration, Rejected
from raftleader.state.trial import Trial

FILES = sorted(Path(__file__).parent.glob("*.txt"))
REWRITE = os.environ.get("RAFTLEADER_REWRITE") == "1"

Words = dict[str, str]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario_goes_as_written(path: Path) -> None:
    trial = Trial()
    written = path.read_text()
    rendered = "\n\n".join(
        _run(trial, block) for block in written.strip("\n").split("\n\n")
    )
    if REWRITE:
        path.write_text(rendered + "\n")
    assert rendered + "\n" == written


def test_there_are_scenarios() -> None:
    assert len(FILES) >= 6


def _run(trial: Trial, block: str) -> str:
    """The block with the output it really has."""
    question, _, _ = block.partition("\n----")
    lines = [line for line in question.split("\n") if not line.startswith("#")]
    if not lines:
        return block
    directive, *arguments = lines[0].split()
    if directive == "apply":
        output = _apply(trial, arguments, lines[1:])
    else:
        output = list(_QUERIES[directive](trial, *arguments))
    return "\n".join([question, "----", *(output or ["-"])])


# --- Commands -------------------------------------------------------------------


def _apply(trial: Trial, arguments: list[str], lines: list[str]) -> list[str]:
    log_term: int | None = None
    for argument in arguments:
        if argument.startswith("+"):
            trial.now_ms += int(argument)
        elif argument.startswith("term="):
            trial.term = int(argument[5:])
        elif argument.startswith("node="):
            trial.node = argument[5:]
        elif argument.startswith("log-term="):
            log_term = int(argument[9:])
    commands = tuple(_command(line) for line in lines)
    entry = c.Entry(
        term=trial.term, node=trial.node, now_ms=trial.now_ms, commands=commands
    )
    made_in, trial.term = trial.term, log_term or trial.term
    applied = trial.apply_bytes(c.encode_entry(entry))
    trial.term = made_in
    return [*(_outcome(o) for o in applied.outcomes), *_touched(applied)]


def _command(line: str) -> c.Command:
    verb, *words = line.split()
    return _VERBS[verb](dict(word.split("=", 1) for word in words))


def _names(words: Words, key: str) -> tuple[str, ...]:
    return tuple(filter(None, words.get(key, "").split(",")))


def _subscribe(w: Words) -> c.Command:
    info = FrameworkInfo(
        user=w.get("user", "user"),
        name="name",
        roles=_names(w, "roles") or ("*",),
        capabilities=_names(w, "can"),
        failover_timeout_ms=int(w.get("timeout", "0")),
    )
    return c.SubscribeFramework(
        info=info,
        framework_id=w.get("F"),
        suppressed_roles=_names(w, "suppressed"),
    )


def _disconnect(w: Words) -> c.Command:
    index, ordinal = (int(part) for part in w["since"].split("."))
    return c.DisconnectFramework(
        framework_id=w["F"], subscription=index << 20 | ordinal
    )


def _register(w: Words) -> c.Command:
    info = AgentInfo(
        hostname=w["key"],
        ip="",
        port=5051,
        resources=parse_resources(w["has"]),
    )
    return c.RegisterAgent(key=w["key"], info=info)


def _grant(w: Words) -> c.Command:
    grants = []
    for part in w["to"].split("|"):
        framework, role, agent, resources = part.split("/")
        grants.append(
            c.Grant(
                framework_id=framework,
                role=role,
                agent_id=agent,
                resources=parse_resources(resources),
            )
        )
    return c.GrantOffers(
        grants=tuple(grants), offer_timeout_ms=int(w.get("timeout", "300000"))
    )


def _accept(w: Words) -> c.Command:
    tasks = tuple(
        TaskInfo(
            name=name,
            task_id=name,
            agent_id=w.get("S", "c-S2-0"),
            resources=parse_resources(resources),
            command=CommandInfo(value="true"),
        )
        for name, resources in w.items()
        if name not in ("F", "S", "offers", "refuse")
    )
    return c.AcceptOffers(
        framework_id=w["F"],
        offer_ids=_names(w, "offers"),
        operations=(Launch(tasks=tasks),) if tasks else (),
        refuse_ms=int(w.get("refuse", "5000")),
    )


def _uuid(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _report(w: Words) -> c.Command:
    status = TaskStatus(
        task_id=w["T"],
        state=TaskState[w["state"]],
        source=Source.EXECUTOR,
        uuid=_uuid(w["uuid"]),
    )
    update = AgentUpdate(framework_id=w["F"], status=status)
    return c.UpdateTasks(agent_id=w["S"], updates=(update,))


_VERBS: dict[str, Callable[[Words], c.Command]] = {
    "begin-term": lambda w: c.BeginTerm(http_address=w["at"]),
    "pass-time": lambda w: c.PassTime(),
    "set-weights": lambda w: c.SetWeights(weights={k: int(v) for k, v in w.items()}),
    "subscribe": _subscribe,
    "disconnect": _disconnect,
    "teardown": lambda w: c.TeardownFramework(framework_id=w["F"]),
    "suppress": lambda w: c.SuppressRoles(
        framework_id=w["F"], roles=_names(w, "roles")
    ),
    "revive": lambda w: c.ReviveRoles(framework_id=w["F"], roles=_names(w, "roles")),
    "register": _register,
    "unreachable": lambda w: c.MarkUnreachable(agent_ids=_names(w, "S")),
    "grant": _grant,
    "accept": _accept,
    "decline": lambda w: c.DeclineOffers(
        framework_id=w["F"],
        offer_ids=_names(w, "offers"),
        refuse_ms=int(w.get("refuse", "5000")),
    ),
    "report": _report,
    "lose": lambda w: c.LoseTasks(
        agent_id=w["S"], tasks=tuple((w["F"], t) for t in _names(w, "tasks"))
    ),
    "kill": lambda w: c.KillTask(
        framework_id=w["F"], task_id=w["T"], agent_id=w.get("S")
    ),
    "acknowledge": lambda w: c.AcknowledgeUpdate(
        framework_id=w["F"],
        task_id=w["T"],
        uuid=bytes.fromhex(w["hex"]) if "hex" in w else _uuid(w["uuid"]),
    ),
}


# --- What is shown ----------------------------------------------------------------


def _outcome(outcome: Outcome) -> str:
    if isinstance(outcome, Rejected):
        return f"rejected {outcome.refusal.name}: {outcome.message}"
    if outcome.value is None:
        return "accepted"
    if isinstance(outcome.value, Registration):
        return f"accepted S={outcome.value.agent_id}"
    return f"accepted F={outcome.value.framework_id}"


def _touched(applied: Applied) -> Iterator[str]:
    touched = applied.touched
    parts = {
        "frameworks": touched.frameworks,
        "agents": touched.agents,
        "offers": touched.offers,
        "tasks": {task_id for _, task_id in touched.tasks},
    }
    shown = [f"{name}={','.join(sorted(ids))}" for name, ids in parts.items() if ids]
    if shown:
        yield " ".join(["touched", *shown])


def _frameworks(trial: Trial) -> Iterator[str]:
    for key, row in sorted(trial.state.frameworks.items()):
        where = "connected" if row.connected else f"silent, goes at {row.deadline_ms}"
        suppressed = f" suppressed={','.join(row.suppressed_roles)}"
        yield f"{key} {where}{suppressed if row.suppressed_roles else ''}"
        for kept in row.filters:
            yield (
                f"  filter {kept.agent_id} {kept.role} {kept.resources}"
                f" until {kept.until_ms}"
            )
        for rescinded in row.rescinds:
            yield f"  rescinded {rescinded.offer_id} at {rescinded.at_ms}"
    for key, at_ms in trial.state.removed_frameworks.items():
        yield f"{key} gone since {at_ms}"


def _agents(trial: Trial) -> Iterator[str]:
    for key, row in sorted(trial.state.agents.items()):
        marks = " shrunk" if row.shrunk else ""
        if row.unreachable_ms is not None:
            marks += f" unreachable since {row.unreachable_ms}"
        yield f"{key} used={row.used} offered={row.offered} free={row.free}{marks}"


def _offers(trial: Trial) -> Iterator[str]:
    for key, row in sorted(trial.state.offers.items()):
        yield (
            f"{key} {row.framework_id} {row.role} {row.agent_id} {row.resources}"
            f" until {row.expires_ms}"
        )


def _tasks(trial: Trial) -> Iterator[str]:
    for key, row in sorted(trial.state.tasks.items()):
        marks = " kill" if row.kill_wanted else ""
        pending = ",".join(status.state.name for status in row.pending)
        yield f"{key[1]} {row.state.name} {row.info.resources} pending={pending}{marks}"
    for key, done in trial.state.completed_tasks.items():
        yield f"{key[1]} completed {done.state.name}"


def _status(status: TaskStatus) -> str:
    reason = status.reason.name if status.reason else "-"
    mark = status.uuid.hex() if status.uuid else "-"
    return (
        f"{status.task_id} {status.state.name} {reason} {mark} {status.message or ''}"
    )


def _updates(trial: Trial, framework: str) -> Iterator[str]:
    for status in queries.first_pending_updates(trial.state, framework):
        yield _status(status).rstrip()


def _duties(trial: Trial, agent: str) -> Iterator[str]:
    for task in queries.unconfirmed_tasks(trial.state, agent):
        yield f"run {task.info.task_id}"
    for task in queries.wanted_kills(trial.state, agent):
        yield f"kill {task.info.task_id}"
    for task in queries.confirmed_live_tasks(trial.state, agent):
        yield f"holds {task.info.task_id}"


def _reconcile(
    trial: Trial, framework: str, task: str, agent: str = ""
) -> Iterator[str]:
    row = trial.state.frameworks[framework]
    yield _status(queries.reconciliation_status(trial.state, row, task, agent or None))


_QUERIES: dict[str, Callable[..., Iterator[str]]] = {
    "frameworks": _frameworks,
    "agents": _agents,
    "offers": _offers,
    "tasks": _tasks,
    "updates": _updates,
    "duties": _duties,
    "reconcile": _reconcile,
    "next-deadline": lambda trial: iter([str(queries.next_deadline_ms(trial.state))]),
}
