"""An agent is emptied, and taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import trio

from chaos.live.faults import Fault, Injection
from chaos.live.seams import Cluster, ImpossibleError, World, Wound
from chaos.nemeses.process.victims import victims
from chaos.nemeses.wounds import HealedBy
from raftleader.errors import ApiError, OutcomeUnknownError, RaftLeaderError

GRACE_S = 2
"""Between the kill that tasks are asked to heed and the one that they are not."""
LEADER_WITHIN_S = 6.0
REACTIVATE_WITHIN_S = 30.0
_WITHOUT_LEADER = frozenset({307, 503})
PAUSE_S = 0.3


@attrs.frozen
class Draining:
    """``drain``: DRAIN_AGENT, healed by REACTIVATE_AGENT. Its tasks are killed, and
    nothing of it is offered meanwhile."""

    faults: frozenset[Fault] = frozenset({Fault.DRAIN})

    def missing(self, fault: Fault) -> str | None:
        """See ``Nemesis``."""
        return None

    async def inject(self, injection: Injection, world: World) -> Wound:
        """See ``Nemesis``."""
        cluster = world.cluster
        [name] = await victims(injection, cluster)
        agent_id = await _agent_id(cluster, name)
        call = {
            "type": "DRAIN_AGENT",
            "drain_agent": {
                "agent_id": {"value": agent_id},
                "max_grace_period": {"seconds": GRACE_S},
                "mark_gone": False,
            },
        }
        is_known = True
        try:
            await _ask(cluster, call)
        except OutcomeUnknownError:
            is_known = False
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await _reactivate(cluster, agent_id)
            raise

        async def heal() -> Mapping[str, Any]:
            return await _reactivate(cluster, agent_id)

        return HealedBy(
            targets=(name,),
            means="DRAIN_AGENT",
            detail={"agent_id": agent_id, "is_known": is_known},
            healing=heal,
        )


async def _agent_id(cluster: Cluster, name: str) -> str:
    """Agents of a run announce their names as host names."""
    try:
        answer = await _ask(cluster, {"type": "GET_AGENTS"})
    except OutcomeUnknownError as error:
        raise ImpossibleError(f"GET_AGENTS: {error}") from error
    for agent in answer.get("get_agents", {}).get("agents", ()):
        info = agent.get("agent_info", {})
        if info.get("hostname") == name:
            return str(info["id"]["value"])
    raise ImpossibleError(f"{name} is not registered now")


async def _ask(cluster: Cluster, call: Mapping[str, Any]) -> Any:
    """Ask while nobody leads, for some seconds. Raises ImpossibleError if it is refused
    or nobody comes to lead, OutcomeUnknownError."""
    why = "no answer"
    with trio.move_on_after(LEADER_WITHIN_S):
        while True:
            try:
                return await cluster.operator(call)
            except OutcomeUnknownError:
                raise
            except RaftLeaderError as error:
                why = f"{call['type']}: {error}"
                if _is_refusal(error):
                    break
            await trio.sleep(PAUSE_S)
    raise ImpossibleError(why)


def _is_refusal(error: RaftLeaderError) -> bool:
    """Whether asking again is of no use."""
    return isinstance(error, ApiError) and error.status not in _WITHOUT_LEADER


async def _reactivate(cluster: Cluster, agent_id: str) -> dict[str, Any]:
    call = {
        "type": "REACTIVATE_AGENT",
        "reactivate_agent": {"agent_id": {"value": agent_id}},
    }
    why = "no answer"
    with trio.move_on_after(REACTIVATE_WITHIN_S):
        while True:
            try:
                await cluster.operator(call)
            except RaftLeaderError as error:
                if _is_refusal(error):
                    # Nobody knows it any more, or it is active: nothing is left to do.
                    return {"refused": str(error)}
                why = str(error)  # may have happened: asking twice does no harm
            else:
                return {}
            await trio.sleep(PAUSE_S)
    return {"problem": f"{agent_id} could not be reactivated: {why}"}
