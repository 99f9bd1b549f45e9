from __future__ import annotations

from raftleader.allocator.filters import ShortFilters
from raftleader.allocator.takers import is_allocatable
from raftleader.allocator.view import AllocationView, build_view
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.resources import parse_resources
from raftleader.state import commands as c
from raftleader.state.trial import Trial


def _view(
    trial: Trial,
    agents: set[AgentId],
    frameworks: set[FrameworkId],
    candidates: set[AgentId] | None = None,
) -> AllocationView:
    return build_view(
        trial.state,
        connected_agents=agents,
        streaming_frameworks=frameworks,
        short_filters=ShortFilters(),
        candidates=candidates,
    )


def test_view_shows_free_resources_of_connected_agents_only(trial: Trial) -> None:
    connected = trial.register("cpus:4", key="k1")
    trial.register("cpus:4", key="k2")
    silent = trial.register("cpus:2", key="k3")
    trial.accepted(c.MarkUnreachable(agent_ids=(silent,)))
    framework = trial.subscribe()
    trial.offer(framework, connected, "cpus:1")

    view = _view(trial, {connected, silent, AgentId("c-S9-9")}, {framework})

    assert view.free == {connected: parse_resources("cpus:3")}
    assert view.capacity == {"cpus": 8000}  # not connected, but reachable, counts


def test_view_never_shows_a_candidate_without_a_session(trial: Trial) -> None:
    one, two = (trial.register("cpus:4", key=key) for key in ("k1", "k2"))
    view = _view(trial, {one}, set(), candidates={one, two})
    assert set(view.free) == {one}


def test_view_shows_frameworks_that_can_be_offered_something(trial: Trial) -> None:
    both = trial.subscribe(roles=("a", "b"), capabilities=("MULTI_ROLE",))
    silent = trial.subscribe(roles=("a",))
    no_stream = trial.subscribe(roles=("a",))
    trial.accepted(c.SuppressRoles(framework_id=both, roles=("b",)))
    subscription = trial.state.frameworks[silent].subscription
    trial.accepted(
        c.DisconnectFramework(framework_id=silent, subscription=subscription)
    )

    view = _view(trial, set(), {both, silent, FrameworkId("c-F9-9")})

    assert view.frameworks == {"a": (both,)}
    assert no_stream in trial.state.frameworks


def test_crumbs_are_not_offered() -> None:
    assert is_allocatable(parse_resources("cpus:0.01"))
    assert is_allocatable(parse_resources("mem:32"))
    assert is_allocatable(parse_resources("cpus(web):1"))
    assert not is_allocatable(parse_resources("cpus:0.009;mem:31.999;ports:[1-9]"))
