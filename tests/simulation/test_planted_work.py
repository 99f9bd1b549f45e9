"""Bugs in what is done beside command tasks are found by the fast level."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
import pytest
from msgspec.structs import replace

from chaos.checkers.no_resource_twice import NoResourceTwice
from chaos.checkers.operations_told import OperationsTold
from chaos.checkers.quota_kept import QuotaKept
from chaos.checkers.volumes_kept import VolumesKept
from chaos.results import Verdict
from chaos.sim.fast import leader
from chaos.sim.fast.ending import DONE, report_of
from chaos.sim.fast.ending_work import LEDGER
from chaos.sim.fast.orders import Orders
from chaos.sim.fast.world import World
from chaos.sim.options import WORK_COUNTS, Fault, Options, Work
from chaos.sim.report import Report
from raftleader.protocol.resources import EMPTY
from raftleader.state import apply, apply_agents
from raftleader.state.outcomes import Accepted, Outcome
from raftleader.state.quota_limits import QuotaLimits

OPTIONS = Options(
    seed=3,
    level="fast",
    faults=(Fault.CRASH, Fault.AGENT_CRASH, Fault.FRAMEWORK_RETRY),
    nodes=3,
    agents=5,
    frameworks=3,
    seconds=60.0,
    pause_s=2.0,
    heartbeat_s=0.3,
    latency_s=(0.0005, 0.005),
    snapshot_entries=30,
    keep_entries=5,
    work=tuple(Work),
)

RARE = {"orders refused", "order: StartMaintenance", "order: StopMaintenance"}


def report(*work: Work, options: Options = OPTIONS) -> Report:
    world = World(attrs.evolve(options, work=work))
    world.run()
    return report_of(world)


def found(*work: Work, options: Options = OPTIONS) -> dict[str, str]:
    """The checkers that have found something, each with what it found first."""
    problems: dict[str, str] = {}
    for violation in report(*work, options=options).violations:
        problems.setdefault(violation.checker, violation.message)
    return problems


def nothing(state: Any, ctx: Any, command: Any) -> Outcome:
    return Accepted()


def test_everything_is_done_and_nothing_is_found_when_nothing_is_planted() -> None:
    counts: Counter[str] = Counter()
    for seed in range(2):
        judged = report(*Work, options=attrs.evolve(OPTIONS, seed=seed, seconds=90.0))
        assert judged.violations == ()
        counts.update(judged.counts)
    assert {name for name in WORK_COUNTS if not counts[name]} <= RARE


def test_an_operation_that_is_never_done_with_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apply, "apply_acknowledge_operation", nothing)
    assert "has not arrived" in found(Work.RESERVATIONS)[OperationsTold.name]


def test_reservations_that_are_forgotten_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def take_back(state: Any, ctx: Any, agent: Any, info: Any) -> None:
        original(state, ctx, replace(agent, dynamic=EMPTY, used=EMPTY), info)

    original = apply_agents._take_back
    monkeypatch.setattr(apply_agents, "_take_back", take_back)
    away = attrs.evolve(OPTIONS, faults=(Fault.AGENT_AWAY,), seconds=120.0)
    problems = found(Work.RESERVATIONS, options=away)
    assert LEDGER in problems or NoResourceTwice.name in problems


def test_an_executor_that_stays_in_the_log_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apply, "apply_report_executors", nothing)
    monkeypatch.setattr(apply, "apply_lose_executors", nothing)
    assert "the log" in found(Work.EXECUTORS)[DONE]


def test_a_volume_that_is_deleted_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = "raftleader.leader.agent_frames.volumes_of"
    monkeypatch.setattr(frames, lambda state, agent_id: ())
    assert "which was not destroyed" in found(Work.VOLUMES)[VolumesKept.name]


def test_a_volume_that_stays_on_the_disk_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "chaos.sim.fast.leader_agents.AgentDuties._look_at_volumes",
        lambda self, session, agent: None,
    )
    long = attrs.evolve(OPTIONS, seconds=120.0)
    problems = found(Work.VOLUMES, options=long)
    assert "still has volume" in problems[VolumesKept.name]


def test_a_quota_that_is_exceeded_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def build_view(*args: Any, **kwargs: Any) -> Any:
        return attrs.evolve(original(*args, **kwargs), quotas={})

    original = leader.build_view
    monkeypatch.setattr(leader, "build_view", build_view)
    monkeypatch.setattr(QuotaLimits, "allows", lambda self, role, resources: True)
    assert "its limit is" in found(Work.QUOTA)[QuotaKept.name]


def test_an_agent_that_is_not_reactivated_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Orders, "_tidy", lambda self: None)
    assert "is not active" in found(Work.DRAINING)[DONE]


def test_a_run_that_does_none_of_its_work_has_shown_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Orders, "_order", lambda self: None)
    judged = report(Work.MAINTENANCE)
    assert judged.verdict is Verdict.UNKNOWN
    assert judged.lacking == ("orders: 0, want 1",)
