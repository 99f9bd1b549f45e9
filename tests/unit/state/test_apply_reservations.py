from __future__ import annotations

import pytest

from raftleader.protocol.ids import AgentId
from raftleader.protocol.offers import (
    Conversion,
    Create,
    Destroy,
    GrowVolume,
    Reserve,
    ShrinkVolume,
    Unreserve,
)
from raftleader.protocol.resource_keys import (
    Reservation,
    ResourceKind,
    VolumeInfo,
    key_of_kind,
)
from raftleader.protocol.resources import EMPTY, Resources, parse_resources
from raftleader.state import commands as c
from raftleader.state import operator_commands as o
from raftleader.state.outcomes import Accepted, Outcome, Refusal, Rejected
from raftleader.state.trial import Trial


@pytest.fixture
def trial() -> Trial:
    return Trial()


def _reserved(name: str, millis: int) -> Resources:
    kind = ResourceKind(name=name, reservations=(Reservation("DYNAMIC", "a"),))
    return Resources.of({key_of_kind(kind): millis})


def _volume(millis: int, *, is_shared: bool = False) -> Resources:
    kind = ResourceKind(
        name="disk",
        reservations=(Reservation("DYNAMIC", "a"),),
        volume=VolumeInfo(id="v", container_path="data"),
        is_shared=is_shared,
    )
    return Resources.of({key_of_kind(kind): millis})


def _operate(trial: Trial, agent: AgentId, operation: Conversion) -> Outcome:
    return trial.one(o.OperateOnAgent(agent_id=agent, operation=operation))


def _refusal(trial: Trial, agent: AgentId, operation: Conversion) -> Refusal:
    outcome = _operate(trial, agent, operation)
    assert isinstance(outcome, Rejected) and outcome.message
    return outcome.refusal


def test_resources_are_reserved_and_made_a_volume_and_back(trial: Trial) -> None:
    agent = trial.register("cpus:4;disk:100")
    steps: list[tuple[Conversion, Resources]] = [
        (Reserve(resources=_reserved("disk", 50_000)), _reserved("disk", 50_000)),
        (
            Create(volumes=_volume(20_000)),
            _reserved("disk", 30_000) + _volume(20_000),
        ),
        (
            GrowVolume(volume=_volume(20_000), addition=_reserved("disk", 10_000)),
            _reserved("disk", 20_000) + _volume(30_000),
        ),
        (
            ShrinkVolume(volume=_volume(30_000), subtract_millis=5_000),
            _reserved("disk", 25_000) + _volume(25_000),
        ),
        (Destroy(volumes=_volume(25_000)), _reserved("disk", 50_000)),
        (Unreserve(resources=_reserved("disk", 50_000)), EMPTY),
    ]
    for operation, dynamic in steps:
        assert _operate(trial, agent, operation) == Accepted()
        assert trial.state.agents[agent].dynamic == dynamic
    assert trial.state.agents[agent].free == parse_resources("cpus:4;disk:100")


def test_only_offers_in_the_way_are_rescinded(trial: Trial) -> None:
    agent = trial.register("cpus:4;mem:100")
    framework = trial.subscribe()
    mem = trial.offer(framework, agent, "mem:100")
    first, second = (trial.offer(framework, agent, "cpus:1") for _ in range(2))

    assert _operate(trial, agent, Reserve(resources=_reserved("cpus", 2_000)))
    assert list(trial.state.offers) == [mem, first, second]

    assert _operate(trial, agent, Reserve(resources=_reserved("cpus", 1_000)))
    assert list(trial.state.offers) == [mem, second]
    rescinds = trial.state.frameworks[framework].rescinds
    assert [r.offer_id for r in rescinds] == [first]


def test_operation_is_refused_without_trace_when_too_little_is_unused(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t1")
    offer = trial.offer(framework, agent, "cpus:3")
    for millis in (3_001, 5_000):  # in use; more than there is
        reserve = Reserve(resources=_reserved("cpus", millis))
        refusal = _refusal(trial, agent, reserve)
        assert refusal is Refusal.INSUFFICIENT_RESOURCES
    unreserve = Unreserve(resources=_reserved("cpus", 1_000))
    assert _refusal(trial, agent, unreserve) is Refusal.INSUFFICIENT_RESOURCES
    assert offer in trial.state.offers


def test_operation_is_refused_when_it_makes_no_sense(trial: Trial) -> None:
    agent = trial.register("cpus:4;disk:10")
    for operation in (
        Reserve(resources=parse_resources("cpus:1")),
        Reserve(resources=parse_resources("cpus(a):1")),
        Reserve(resources=EMPTY),
        Create(volumes=_reserved("disk", 1_000)),
        Destroy(volumes=_volume(1_000)),
        GrowVolume(volume=_volume(1_000), addition=EMPTY),
    ):
        assert _refusal(trial, agent, operation) is Refusal.INVALID_OPERATION


def test_operation_is_refused_on_agents_that_are_not_registered(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    trial.accepted(c.MarkUnreachable(agent_ids=(agent,)))
    for agent_id in (agent, AgentId("c-X1-0")):
        outcome = _operate(trial, agent_id, Reserve(resources=_reserved("cpus", 1_000)))
        assert outcome == Rejected(
            refusal=Refusal.UNKNOWN_AGENT, message="No agent found with specified ID"
        )


def test_shared_volume_is_not_destroyed_while_a_task_uses_it(trial: Trial) -> None:
    agent = trial.register("cpus:4;disk:10")
    framework = trial.subscribe(roles=("a",), capabilities=("SHARED_RESOURCES",))
    volume = _volume(10_000, is_shared=True)
    _operate(trial, agent, Reserve(resources=_reserved("disk", 10_000)))
    _operate(trial, agent, Create(volumes=volume))
    grant = c.Grant(
        framework_id=framework,
        role="a",
        agent_id=agent,
        resources=parse_resources("cpus:4") + volume,
    )
    trial.accepted(c.GrantOffers(grants=(grant,), offer_timeout_ms=1_000))
    (offer,) = trial.state.offers
    destroy = Destroy(volumes=volume)
    assert _operate(trial, agent, destroy) == Accepted()
    assert offer not in trial.state.offers  # it was offered, though not charged
