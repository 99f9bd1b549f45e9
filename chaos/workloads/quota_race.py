"""An operator changes quotas while two roles launch tasks against them."""

from __future__ import annotations

from typing import Any

import trio

from chaos.workloads.framework import FrameworkWorkload, room, sleep_for
from chaos.workloads.instance import Instance
from chaos.workloads.interface import wait_turn
from chaos.workloads.operator_client import OperatorClient
from raftleader.framework import open_http_client
from raftleader.protocol.resources import parse_resources

ROLES = ("a", "b")
CHANGES_PER_S = 1.0
NEEDS = parse_resources("cpus:0.05;mem:8")
LIMITS = (0.05, 0.1, 0.2, 0.4)
"""Of cpus: one to eight tasks at once, so that the limit is always near."""
GUARANTEES = (0.0, 0.0, 0.05, 0.1)
LIVE_MAX = 16
TASKS_PER_S = 5.0
LIFT_AGAIN_S = 0.5


class QuotaRace(FrameworkWorkload):
    """One framework with two roles, and an operator who sets and lifts their quotas."""

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(f"{self.around.name}-{role}" for role in ROLES)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._be_operator)
            await super().run()

    async def load(self, instance: Instance) -> None:
        await instance.revive()
        while True:
            await wait_turn(self.rng, TASKS_PER_S * self.around.pace)
            held = instance.offers_held
            if self.is_settling or not held:
                continue
            offer = self.rng.choice(held)
            count = room(offer, NEEDS, min(3, LIVE_MAX - len(self.book.tasks)))
            tasks = [
                self.new_task(offer, sleep_for(self.rng.uniform(0.2, 1.0)), needs=NEEDS)
                for _ in range(count)
            ]
            refuse_s = 0.0 if tasks else 0.5
            instance.accept_soon([offer], tasks, refuse_s=refuse_s)

    async def settle(self) -> None:
        self.is_settling = True
        await super().settle()
        async with open_http_client() as http:
            client = OperatorClient(http, self.around.leaders, start=0)
            is_lifted = False
            while not is_lifted:
                is_lifted = await self._set_quotas(client, dict.fromkeys(self.roles))
                await trio.sleep(0 if is_lifted else LIFT_AGAIN_S)

    async def _be_operator(self) -> None:
        async with open_http_client() as http:
            client = OperatorClient(http, self.around.leaders, start=0)
            while True:
                await wait_turn(self.rng, CHANGES_PER_S * self.around.pace)
                if not self.is_settling:
                    changed = self.rng.sample(self.roles, self.rng.randint(1, 2))
                    await self._set_quotas(
                        client, {role: self._draw() for role in changed}
                    )

    def _draw(self) -> dict[str, float] | None:
        """Limit and guarantee, in cpus; None is no quota."""
        if self.rng.random() < 0.2:
            return None
        return {
            "limit": self.rng.choice(LIMITS),
            "guarantee": self.rng.choice(GUARANTEES),
        }

    async def _set_quotas(
        self, client: OperatorClient, quotas: dict[str, dict[str, float] | None]
    ) -> bool:
        configs = [_config(role, quota) for role, quota in sorted(quotas.items())]
        is_forced = any(quota is None for quota in quotas.values())
        with self.recorder.operation(
            "set_quota", value=quotas, node=client.node
        ) as operation:
            try:
                await client.call(
                    "UPDATE_QUOTA", quota_configs=configs, force=is_forced
                )
            finally:
                operation.node = client.node
        return operation.is_ok


def _config(role: str, quota: dict[str, float] | None) -> dict[str, Any]:
    if quota is None:
        return {"role": role}
    return {
        "role": role,
        "limits": {"cpus": {"value": quota["limit"]}},
        "guarantees": {"cpus": {"value": min(quota["guarantee"], quota["limit"])}},
    }
