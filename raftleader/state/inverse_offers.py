"""Inverse offers: frameworks are asked to leave machines that will be away.

A framework is asked for an agent while it has a task or an executor there, the
agent's machine is in the maintenance schedule, and the framework has not answered
for this time. The question goes with its reason: then it is rescinded. Which
questions are due follows from the rows; ``settle.py`` asks after each entry.
"""

from __future__ import annotations

from msgspec.structs import replace

from raftleader.limits import ALLOCATION_INTERVAL_S, REFUSE_S_MAX
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId
from raftleader.protocol.offers import Unavailability
from raftleader.state.apply_frameworks import UNKNOWN_FRAMEWORK
from raftleader.state.cluster import (
    Agent,
    ClusterState,
    InverseAnswer,
    InverseOfferRow,
)
from raftleader.state.commands import AnswerInverseOffers
from raftleader.state.context import Context
from raftleader.state.machines import unavailability_of
from raftleader.state.outcomes import Accepted, Outcome
from raftleader.state.tables import add_inverse_offer, drop_inverse_offer
from raftleader.state.tables_operators import (
    rescind_inverse_offers,
    set_inverse_answers,
)

_REFUSE_MS_MIN = round(ALLOCATION_INTERVAL_S * 1000)
"""A framework that wants to be asked again at once is, once in an interval."""
_REFUSE_MS_MAX = round(REFUSE_S_MAX * 1000)


def apply_answer_inverse_offers(
    state: ClusterState, ctx: Context, command: AnswerInverseOffers
) -> Outcome:
    """Remember what the framework says; operators see it. Nothing else follows.

    It is asked again when the time it asks for is over and it still has something
    there. Foreign and unknown inverse offers are ignored.
    """
    if command.framework_id not in state.frameworks:
        return UNKNOWN_FRAMEWORK
    refuse_ms = min(max(command.refuse_ms, _REFUSE_MS_MIN), _REFUSE_MS_MAX)
    for offer_id in dict.fromkeys(command.inverse_offer_ids):
        row = state.inverse_offers.get(offer_id)
        if row is None or row.framework_id != command.framework_id:
            continue
        drop_inverse_offer(state, ctx, offer_id)
        answer = InverseAnswer(
            framework_id=command.framework_id,
            is_accepted=command.is_accepted,
            at_ms=ctx.now_ms,
            until_ms=ctx.now_ms + refuse_ms,
        )
        others = (
            known
            for known in state.inverse_answers.get(row.agent_id, ())
            if known.framework_id != command.framework_id
        )
        set_inverse_answers(state, row.agent_id, (*others, answer))
    return Accepted()


def next_inverse_deadline_ms(state: ClusterState) -> int | None:
    """When the next answer's time is over, or None. Looks at every answer."""
    return min(
        (
            answer.until_ms
            for answers in state.inverse_answers.values()
            for answer in answers
            if answer.until_ms
        ),
        default=None,
    )


def end_inverse_answers(state: ClusterState, ctx: Context) -> None:
    """Of answers whose time is over, keep only what was said: who gave them may be
    asked again."""
    for agent_id in sorted(state.inverse_answers):
        answers = state.inverse_answers[agent_id]
        if any(0 < answer.until_ms <= ctx.now_ms for answer in answers):
            ctx.agents[agent_id] = None
            set_inverse_answers(
                state,
                agent_id,
                [
                    replace(answer, until_ms=0)
                    if answer.until_ms <= ctx.now_ms
                    else answer
                    for answer in answers
                ],
            )


def settle_inverse_offers(state: ClusterState, ctx: Context, agent_id: AgentId) -> None:
    """Ask who must be asked for this agent, and rescind what is moot."""
    agent = state.agents.get(agent_id)
    unavailability = None
    if agent is not None and agent.unreachable_ms is None:
        unavailability = unavailability_of(state, agent.info)
    holders: set[FrameworkId] = set()
    if agent is not None and unavailability is not None:
        holders = _holders(state, agent)
    moot: list[OfferId] = []
    asked: set[FrameworkId] = set()
    for offer_id in state.inverse_offers_by_agent.get(agent_id, ()):
        row = state.inverse_offers[offer_id]
        if row.framework_id in holders and row.unavailability == unavailability:
            asked.add(row.framework_id)
        else:
            moot.append(offer_id)
    rescind_inverse_offers(state, ctx, moot)
    if unavailability is None or not holders:
        return
    answered = {
        answer.framework_id
        for answer in state.inverse_answers.get(agent_id, ())
        if answer.until_ms
    }
    for framework_id in sorted(holders - asked - answered):
        _ask(state, ctx, framework_id, agent_id, unavailability)


def forget_answers(state: ClusterState, framework_id: FrameworkId) -> None:
    """What a framework said that is no more."""
    for agent_id, answers in list(state.inverse_answers.items()):
        kept = [answer for answer in answers if answer.framework_id != framework_id]
        if len(kept) != len(answers):
            set_inverse_answers(state, agent_id, kept)


def _holders(state: ClusterState, agent: Agent) -> set[FrameworkId]:
    holders = {
        key[0]
        for key in state.tasks_by_agent.get(agent.id, ())
        if not state.tasks[key].state.is_terminal
    }
    holders.update(key[0] for key in state.executors_by_agent.get(agent.id, ()))
    return {
        framework_id for framework_id in holders if framework_id in state.frameworks
    }


def _ask(
    state: ClusterState,
    ctx: Context,
    framework_id: FrameworkId,
    agent_id: AgentId,
    unavailability: Unavailability,
) -> None:
    number = len(ctx.inverse_offers)
    row = InverseOfferRow(
        id=OfferId(f"{ctx.make_id('I')}-{number}"),
        framework_id=framework_id,
        agent_id=agent_id,
        unavailability=unavailability,
        made_ms=ctx.now_ms,
    )
    add_inverse_offer(state, ctx, row)
