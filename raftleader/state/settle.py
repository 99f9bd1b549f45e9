"""What follows from the rows an entry touched, once its commands are applied.

Some things no single command decides: an agent is drained when the last of its
tasks has ended, whatever ended it; a framework is to be asked for a machine in the
maintenance schedule while it has something there. They are looked at here, after
each entry, for the rows it touched and no others.
"""

from __future__ import annotations

from raftleader.state.apply_agent_admin import finish_drain
from raftleader.state.cluster import ClusterState
from raftleader.state.context import Context
from raftleader.state.inverse_offers import (
    forget_answers,
    settle_inverse_offers,
)


def settle(state: ClusterState, ctx: Context) -> None:
    """Bring drains and inverse offers up to date. On the hot path of ``apply``.

    ``ctx.ordinal`` must be one that no command of the entry had: ids are made.
    """
    for agent_id in list(ctx.agents):
        agent = state.agents.get(agent_id)
        if agent is not None and agent.drain is not None:
            finish_drain(state, ctx, agent)
    if not (state.windows or state.inverse_offers or state.inverse_answers):
        return
    if state.inverse_answers:
        for framework_id in list(ctx.frameworks):
            if framework_id not in state.frameworks:
                forget_answers(state, framework_id)
    touched = dict(ctx.agents)
    touched.update(dict.fromkeys(key[1] for key in ctx.executors))
    for agent_id in touched:
        settle_inverse_offers(state, ctx, agent_id)
