"""The maintenance schedule and its state, read and written; the same in v0 and v1."""

from __future__ import annotations

from collections.abc import Mapping

from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.json_v1_labels import (
    read_unavailability,
    unavailability_to_json,
)
from raftleader.protocol.operator_values import MachineId, Window
from raftleader.state.cluster import Agent, ClusterState, InverseAnswer


def schedule_message(state: ClusterState) -> JsonObject:
    """A ``maintenance.Schedule``."""
    return {
        "windows": [
            {
                "machine_ids": [machine_message(each) for each in window.machines],
                "unavailability": unavailability_to_json(window.unavailability),
            }
            for window in state.windows
        ]
    }


def status_message(state: ClusterState) -> JsonObject:
    """A ``maintenance.ClusterStatus``: who is down, who drains, what was answered."""
    down = set(state.down_machines)
    draining = [
        machine
        for window in state.windows
        for machine in window.machines
        if machine not in down
    ]
    answers: dict[MachineId, list[JsonObject]] = {machine: [] for machine in draining}
    for agent_id, told in state.inverse_answers.items():
        agent = state.agents.get(agent_id)
        machine = None if agent is None else _machine_of(agent, answers)
        if machine is not None:
            answers[machine] += [_answer(answer) for answer in told]
    return {
        "draining_machines": [
            {"id": machine_message(each), "statuses": answers[each]}
            for each in draining
        ],
        "down_machines": [machine_message(each) for each in state.down_machines],
    }


def _machine_of(agent: Agent, machines: Mapping[MachineId, object]) -> MachineId | None:
    """The machine an agent stands on, named as closely as can be."""
    hostname, ip = agent.info.hostname.lower(), agent.info.ip
    names = (
        MachineId(hostname=hostname, ip=ip),
        MachineId(hostname=hostname),
        MachineId(ip=ip),
    )
    return next((name for name in names if name in machines), None)


def _answer(answer: InverseAnswer) -> JsonObject:
    return {
        "status": "ACCEPT" if answer.is_accepted else "DECLINE",
        "framework_id": {"value": answer.framework_id},
        "timestamp": {"nanoseconds": answer.at_ms * 10**6},
    }


def machine_message(machine: MachineId) -> JsonObject:
    """A ``MachineID``."""
    message: JsonObject = {}
    if machine.hostname:
        message["hostname"] = machine.hostname
    if machine.ip:
        message["ip"] = machine.ip
    return message


def read_windows(schedule: Fields) -> tuple[Window, ...]:
    """The windows of a ``maintenance.Schedule``. What is wrong with them in sum is for
    ``apply`` to say."""
    return tuple(
        Window(
            machines=read_machines(item, "machine_ids"),
            unavailability=read_unavailability(item.required_child("unavailability")),
        )
        for item in schedule.children("windows")
    )


def read_machines(fields: Fields, name: str) -> tuple[MachineId, ...]:
    """The ``MachineID``s of a repeated field. Names in lower case, as Mesos compares
    them."""
    return tuple(
        MachineId(
            hostname=(item.text("hostname") or "").lower(), ip=item.text("ip") or ""
        )
        for item in fields.children(name)
    )
