"""What frameworks and operators may do to a cluster, step by step."""

from __future__ import annotations

import random
from typing import Any

import attrs
import trio
from support.odd_framework import WRONG_UUID, OddFramework, draw_info
from support.odd_operations import draw_operations
from support.whole_cluster import AGENTS, NAMES, WholeCluster

FRAMEWORKS_MAX = 3


@attrs.define(eq=False)
class Steps:
    """What can happen. Each method is one step, and is given its chance."""

    cluster: WholeCluster
    frameworks: list[OddFramework] = attrs.field(factory=list)
    seen: set[tuple[str, str]] = attrs.field(factory=set)
    """Every task that ever was in the leader's table."""

    async def step(self, name: str, chance: int) -> None:
        rng = random.Random(chance)
        await getattr(self, name)(rng)
        await trio.sleep(0.02)
        self.look()

    def look(self) -> None:
        assert not self.cluster.problems()
        self.seen.update(self.cluster.state.tasks)

    def _one(self, rng: random.Random) -> OddFramework:
        return rng.choice(self.frameworks)

    async def subscribe(self, rng: random.Random) -> None:
        if len(self.frameworks) < FRAMEWORKS_MAX:
            framework = OddFramework(
                self.cluster, draw_info(rng, f"f{len(self.frameworks)}")
            )
            await framework.subscribe()
            if framework.id:
                self.frameworks.append(framework)
        else:
            await self._one(rng).subscribe()

    async def subscribe_again(self, rng: random.Random) -> None:
        framework = self._one(rng)
        more: dict[str, Any] = {}
        if rng.random() < 0.3:
            more["suppressed_roles"] = [rng.choice(["prod", "dev", "x"])]
        if rng.random() < 0.2:
            framework.info = draw_info(rng, framework.info["name"]) | {
                "principal": framework.info["principal"]
            }
        await framework.subscribe(**more)

    async def leave(self, rng: random.Random) -> None:
        self._one(rng).leave()

    async def update_framework(self, rng: random.Random) -> None:
        framework = self._one(rng)
        info = draw_info(rng, framework.info["name"])
        info["principal"] = framework.info["principal"]
        body = {"framework_info": info | {"id": {"value": framework.id}}}
        if await framework.call("UPDATE_FRAMEWORK", body) == 200:
            framework.info = info

    async def accept(self, rng: random.Random) -> None:
        framework = self._one(rng)
        offers = list(framework.offers.values())
        if not offers:
            await trio.sleep(2)
            return
        offer = rng.choice(offers)
        taken = [offer]
        if rng.random() < 0.3:
            same = (offer["agent_id"], offer.get("allocation_info"))
            taken = [
                o for o in offers if (o["agent_id"], o.get("allocation_info")) == same
            ]
        body = {
            "offer_ids": [each["id"] for each in taken],
            "operations": draw_operations(framework, offer, rng),
            "filters": {"refuse_seconds": rng.choice([0, 0, 1, 5])},
        }
        framework.last_accept = body
        for each in taken:
            framework.offers.pop(each["id"]["value"], None)
        await framework.call("ACCEPT", body)

    async def accept_again(self, rng: random.Random) -> None:
        framework = self._one(rng)
        if framework.last_accept is not None:
            await framework.call("ACCEPT", framework.last_accept)

    async def decline(self, rng: random.Random) -> None:
        framework = self._one(rng)
        ids = [{"value": each} for each in [*framework.offers, "x"]]
        body = {
            "offer_ids": ids,
            "filters": {"refuse_seconds": rng.choice([0, 1, 1e9, -1])},
        }
        framework.offers.clear()
        await framework.call("DECLINE", body)

    async def suppress(self, rng: random.Random) -> None:
        roles = rng.choice([[], ["prod"], ["dev"], ["nobody"]])
        await self._one(rng).call("SUPPRESS", {"roles": roles})

    async def revive(self, rng: random.Random) -> None:
        await self._one(rng).call("REVIVE", rng.choice([None, {"roles": ["prod"]}]))

    async def kill(self, rng: random.Random) -> None:
        framework = self._one(rng)
        name = rng.choice([*framework.launched, "nobody"])
        body: dict[str, Any] = {"task_id": {"value": name}}
        if rng.random() < 0.3:
            body["agent_id"] = {"value": rng.choice([*self.cluster.state.agents, "x"])}
        if rng.random() < 0.3:
            body["kill_policy"] = {"grace_period": {"nanoseconds": 10**9}}
        await framework.call("KILL", body)

    async def acknowledge(self, rng: random.Random) -> None:
        framework = self._one(rng)
        waiting, framework.unacknowledged = framework.unacknowledged, []
        for status in waiting:
            if rng.random() < 0.8:
                await framework.acknowledge(status)

    async def acknowledge_wrongly(self, rng: random.Random) -> None:
        framework = self._one(rng)
        for status in framework.unacknowledged[:2]:
            wrong = rng.choice(
                [
                    {"uuid": WRONG_UUID},
                    {"agent_id": {"value": "x"}},
                    {"task_id": {"value": "x"}},
                ]
            )
            await framework.acknowledge(status, **wrong)

    async def acknowledge_operations(self, rng: random.Random) -> None:
        framework = self._one(rng)
        waiting, framework.operations = framework.operations, []
        for status in waiting:
            if "uuid" in status:
                wrong = {"uuid": WRONG_UUID} if rng.random() < 0.2 else {}
                await framework.acknowledge_operation(status, **wrong)

    async def reconcile(self, rng: random.Random) -> None:
        framework = self._one(rng)
        names = rng.choice([[], [*framework.launched, "x"]])
        tasks = [{"task_id": {"value": name}} for name in names]
        await framework.call("RECONCILE", {"tasks": tasks})
        operations = [{"operation_id": {"value": "op-1"}}] * rng.randint(0, 1)
        await framework.call("RECONCILE_OPERATIONS", {"operations": operations})

    async def shut_down(self, rng: random.Random) -> None:
        executors = sorted(self.cluster.state.executors)
        if executors:
            _, agent, name = rng.choice(executors)
            body = {"executor_id": {"value": name}, "agent_id": {"value": agent}}
            await self._one(rng).call("SHUTDOWN", body)
            await self._one(rng).call("MESSAGE", body | {"data": "AAAA"})

    async def answer_inverse_offers(self, rng: random.Random) -> None:
        framework = self._one(rng)
        ids = [{"value": each} for each in [*framework.inverse_offers, "x"]]
        framework.inverse_offers.clear()
        kind = rng.choice(["ACCEPT_INVERSE_OFFERS", "DECLINE_INVERSE_OFFERS"])
        await framework.call(kind, {"inverse_offer_ids": ids})

    async def set_quota(self, rng: random.Random) -> None:
        config: dict[str, Any] = {"role": rng.choice(["prod", "dev"])}
        for name in ("guarantees", "limits"):
            if rng.random() < 0.5:
                config[name] = {"cpus": {"value": rng.choice([0.5, 2, 100])}}
        body = {"force": rng.random() < 0.7, "quota_configs": [config]}
        await self.cluster.order("UPDATE_QUOTA", body)

    async def set_weights(self, rng: random.Random) -> None:
        weight = {"role": "prod", "weight": rng.choice([0.1, 1, 50])}
        await self.cluster.order("UPDATE_WEIGHTS", {"weight_infos": [weight]})

    async def schedule(self, rng: random.Random) -> None:
        now_ns = 1_700_000_000 * 10**9
        windows = [
            {
                "machine_ids": [{"hostname": name, "ip": "10.0.0.1"}],
                "unavailability": {"start": {"nanoseconds": now_ns}},
            }
            for name in AGENTS
            if rng.random() < 0.5
        ]
        body = {"schedule": {"windows": windows}}
        await self.cluster.order("UPDATE_MAINTENANCE_SCHEDULE", body)

    async def take_down(self, rng: random.Random) -> None:
        machine = {"hostname": rng.choice(AGENTS), "ip": "10.0.0.1"}
        kind = rng.choice(["START_MAINTENANCE", "STOP_MAINTENANCE"])
        await self.cluster.order(kind, {"machines": [machine]})

    async def drain(self, rng: random.Random) -> None:
        body: dict[str, Any] = {"agent_id": {"value": self._agent(rng)}}
        kind = rng.choice(
            ["DRAIN_AGENT", "DEACTIVATE_AGENT", "REACTIVATE_AGENT", "REACTIVATE_AGENT"]
        )
        if kind == "DRAIN_AGENT" and rng.random() < 0.5:
            body["max_grace_period"] = {"nanoseconds": 10**9}
        if kind == "DRAIN_AGENT" and rng.random() < 0.15:
            body["mark_gone"] = True
        await self.cluster.order(kind, body)

    async def declare_gone(self, rng: random.Random) -> None:
        if rng.random() < 0.3:
            body = {"agent_id": {"value": self._agent(rng)}}
            await self.cluster.order("MARK_AGENT_GONE", body)

    def _agent(self, rng: random.Random) -> str:
        return rng.choice([*self.cluster.state.agents, "x"])

    async def reserve(self, rng: random.Random) -> None:
        resource = {
            "name": rng.choice(["cpus", "disk", "mem"]),
            "type": "SCALAR",
            "scalar": {"value": rng.choice([0.5, 1, 64, 5000])},
            "reservations": [{"type": "DYNAMIC", "role": "prod", "principal": "ops"}],
        }
        body = {"agent_id": {"value": self._agent(rng)}, "resources": [resource]}
        kind = rng.choice(
            ["RESERVE_RESOURCES", "RESERVE_RESOURCES", "UNRESERVE_RESOURCES"]
        )
        await self.cluster.order(kind, body)

    async def make_volume(self, rng: random.Random) -> None:
        volume = {
            "name": "disk",
            "type": "SCALAR",
            "scalar": {"value": rng.choice([1, 64])},
            "reservations": [{"type": "DYNAMIC", "role": "prod", "principal": "ops"}],
            "disk": {
                "persistence": {"id": rng.choice(["o1", "o2"]), "principal": "ops"},
                "volume": {"container_path": "data", "mode": "RW"},
            },
        }
        kind = rng.choice(["CREATE_VOLUMES", "CREATE_VOLUMES", "DESTROY_VOLUMES"])
        body = {"agent_id": {"value": self._agent(rng)}, "volumes": [volume]}
        await self.cluster.order(kind, body)

    async def restart_agent(self, rng: random.Random) -> None:
        name = rng.choice(AGENTS)
        self.cluster.stop_agent(name)
        await trio.sleep(rng.choice([0.1, 5, 100]))
        self.cluster.start_agent(name)

    async def restart_leader(self, rng: random.Random) -> None:
        name = self.cluster.leader or rng.choice(NAMES)
        await self.cluster.stop_node(name)
        await trio.sleep(rng.choice([0, 3]))
        await self.cluster.start_node(name)
        await self.cluster.until(lambda: self.cluster.leader is not None)
        for framework in self.frameworks:
            if rng.random() < 0.7:
                await framework.subscribe()

    async def wait(self, rng: random.Random) -> None:
        await trio.sleep(rng.choice([1, 5, 30, 61]))
