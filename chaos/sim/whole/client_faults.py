"""Faults of agents and of frameworks, and of what connects these to the nodes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import attrs
import trio

from chaos.sim.options import Fault
from chaos.sim.whole.targets import Targets

AWAY_S_MAX = 12.0
"""Longest absence of an agent: longer than its timeout, so that some are given up."""
HANG_S_MAX = 8.0
LOSSES = (0.02, 0.1, 0.3)


@attrs.define(eq=False)
class ClientFaults:
    """See the module."""

    targets: Targets

    def acts(self) -> Mapping[Fault, Callable[[], Awaitable[None]]]:
        """What is done for each class."""
        return {
            Fault.AGENT_AWAY: self.agent_away,
            Fault.AGENT_CRASH: self.agent_crash,
            Fault.FRAMEWORK_CRASH: self.framework_crash,
            Fault.FRAMEWORK_HANG: self.framework_hang,
            Fault.FRAMEWORK_RETRY: self.lose_answers,
            Fault.FRAMEWORK_FAILOVER: self.framework_failover,
            Fault.RESET: self.break_http,
            Fault.PARTITION: self.stall_http,
        }

    async def agent_away(self) -> None:
        machine = self.targets.rng.choice(self.targets.machines)
        self.targets.history.fired(Fault.AGENT_AWAY, machine.name)
        plan = self.targets.network.plan
        names = [node.name for node in self.targets.nodes]
        for name in names:
            plan.cut(machine.name, name)
        await self.targets.wait(AWAY_S_MAX)
        for name in names:
            plan.heal(machine.name, name)

    async def agent_crash(self) -> None:
        machine = self.targets.rng.choice(self.targets.machines)
        self.targets.history.fired(Fault.AGENT_CRASH, machine.name)
        if self.targets.rng.random() < 0.8:
            await machine.crash()
        else:
            await machine.stop()
        await self.targets.wait(AWAY_S_MAX)
        await machine.lives.start()

    async def framework_crash(self) -> None:
        framework = self.targets.rng.choice(self.targets.frameworks)
        if not framework.lives.is_up:
            return
        self.targets.history.fired(Fault.FRAMEWORK_CRASH, framework.name)
        await framework.crash()
        if framework.habits.is_returning:
            await self.targets.wait()
            await framework.lives.start()

    async def framework_hang(self) -> None:
        framework = self.targets.rng.choice(self.targets.frameworks)
        seconds = self.targets.rng.uniform(0.2, HANG_S_MAX)
        text = f"{framework.name} for {seconds:.1f} s"
        self.targets.history.fired(Fault.FRAMEWORK_HANG, text)
        framework.hang(seconds)

    async def framework_failover(self) -> None:
        framework = self.targets.rng.choice(self.targets.frameworks)
        if framework.id is None or not framework.habits.is_returning:
            return
        self.targets.history.fired(Fault.FRAMEWORK_FAILOVER, framework.name)
        await framework.fail_over()

    async def lose_answers(self) -> None:
        http = self.targets.http
        before = http.answers_lost
        http.loss_probability = self.targets.rng.choice(LOSSES)
        await self.targets.wait()
        http.loss_probability = 0.0
        if http.answers_lost > before:
            text = f"{http.answers_lost - before} answers were lost"
            self.targets.history.fired(Fault.FRAMEWORK_RETRY, text)

    async def break_http(self) -> None:
        framework = self.targets.rng.choice(self.targets.frameworks)
        count = self.targets.http.break_all(framework.instances[-1].host)
        self.targets.history.note(f"{count} connections of {framework.name} break")
        await trio.lowlevel.checkpoint()

    async def stall_http(self) -> None:
        node = self.targets.any_node().name
        self.targets.history.note(f"{node} is cut from the frameworks")
        self.targets.http.stall(node)
        await self.targets.wait()
        self.targets.http.flow(node)

    def heal(self) -> None:
        """Answers arrive, and nobody is held back."""
        self.targets.http.loss_probability = 0.0
        for node in self.targets.nodes:
            self.targets.http.flow(node.name)
        for framework in self.targets.frameworks:
            for instance in framework.instances:
                instance.process.go_on()
