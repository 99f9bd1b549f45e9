"""Faults of agents and frameworks."""

from __future__ import annotations

from collections.abc import Callable

from chaos.sim.fast.means import Means
from chaos.sim.fast.moments import Moment
from chaos.sim.options import Fault

AT_MOMENT_PROBABILITY = 0.5
"""Of deaths of agents to wait for the moments that matter most."""


class ClientFaults:
    """One method for each class; each says whether it did something."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def acts(self) -> dict[Fault, Callable[[], bool]]:
        """What to call, by class."""
        return {
            Fault.AGENT_AWAY: self._lose_agent,
            Fault.AGENT_CRASH: self._crash_agent,
            Fault.FRAMEWORK_CRASH: self._crash_framework,
            Fault.FRAMEWORK_HANG: self._hang_framework,
            Fault.FRAMEWORK_RETRY: self._lose_answers,
            Fault.FRAMEWORK_FAILOVER: self._fail_over_framework,
        }

    def _lose_agent(self) -> bool:
        """Sometimes for longer than the leader waits; its paths may come back one
        after the other, each with what was on its way."""
        means = self._means
        agent = means.rng.choice(means.agents)
        away_s = means.rng.choice((1.0, 4.0, 12.0)) * means.rng.random()
        is_at_once = agent.fault_rng.random() < 0.5
        for name in means.names():
            heal = means.cut([(agent.name, name), (name, agent.name)])
            spread = 1.0 if is_at_once else agent.fault_rng.uniform(0.3, 1.7)
            means.later(heal, away_s * spread)
        return True

    def _crash_agent(self) -> bool:
        """Now; or all of them, each at its own next moment of those that matter."""
        means = self._means
        agent = means.rng.choice(means.agents)
        if not agent.is_up:
            return False
        down_s = means.rng.choice((0.5, 3.0, 10.0)) * means.rng.random()
        if agent.fault_rng.random() < AT_MOMENT_PROBABILITY:
            for one in means.agents:
                moment = one.fault_rng.choice(list(Moment))
                one.dies_at = (moment, down_s * one.fault_rng.random())
            return True
        means.trace.note(f"{agent.name} dies")
        agent.crash()
        means.later(agent.start, down_s)
        return True

    def _crash_framework(self) -> bool:
        means = self._means
        framework = means.rng.choice(means.frameworks)
        if not framework.is_up:
            return False
        means.trace.note(f"{framework.name} dies")
        framework.crash()
        delay_s = means.rng.choice((0.5, 3.0, 8.0)) * means.rng.random()
        means.later(framework.start, delay_s)
        return True

    def _hang_framework(self) -> bool:
        means = self._means
        framework = means.rng.choice(means.frameworks)
        framework.life.hang(means.rng.uniform(0.2, 8.0))
        return framework.is_up

    def _lose_answers(self) -> bool:
        means = self._means
        framework = means.rng.choice(means.frameworks)
        framework.lost_answers += means.rng.randint(1, 3)
        return False  # counted when an answer is lost

    def _fail_over_framework(self) -> bool:
        means = self._means
        framework = means.rng.choice(means.frameworks)
        framework.fail_over()
        return framework.is_up
