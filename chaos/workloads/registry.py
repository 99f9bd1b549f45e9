"""Registers that several clients read and write at once: is it linearizable?

What the operator sets for a role is such a register: a write is answered once a
majority has it, a read passes a barrier. Weights (UPDATE_WEIGHTS, GET_WEIGHTS) are one
table of the log, of which each write changes a part; quotas (UPDATE_QUOTA, GET_QUOTA)
are a row for each role. Nobody is in these roles, so nothing else comes of it.
"""

from __future__ import annotations

from typing import Any

import trio

from chaos.workloads.interface import Surroundings, wait_turn
from chaos.workloads.operator_client import OperatorClient
from raftleader.framework import open_http_client

WEIGHT, QUOTA = "weight", "quota"
REGISTERS = ((WEIGHT, 1), (WEIGHT, 2), (QUOTA, 1), (QUOTA, 2))
CLIENTS = 6
"""Each may use every register; a judge can search a history of ten at most."""
HOMES = 0.5
"""Of the clients begin each call at a node of their own, which leads or not: what it
answers must be as new as what others hear from the leader."""
CALLS_PER_S = 2.0
"""Of each client."""
WRITES = 0.5
VALUES_PER_LIFE = 5_000
VALUE_MAX = 1_000_000
"""The highest weight there is."""
AFTER_FAILURE_S = 0.2


class Registry:
    """CLIENTS clients, each of which does one thing after the other.

    Every value is written once at most, so a read says which write it saw.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._value = (around.life - 1) * VALUES_PER_LIFE
        self._busy = 0
        self._is_settling = False

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(CLIENTS):
                nursery.start_soon(self._be_client, number)

    async def settle(self) -> None:
        self._is_settling = True
        while self._busy:  # noqa: ASYNC110 - calls end within seconds
            await trio.sleep(0.05)

    def left(self) -> list[dict[str, Any]]:
        return [{"calls": self._busy}] if self._busy else []

    def figures(self) -> dict[str, Any]:
        return {"values": self._value}

    async def end(self) -> None:
        """Nothing: the registers stay."""

    async def _be_client(self, number: int) -> None:
        rng = self._around.rng
        async with open_http_client() as http:
            client = OperatorClient(
                http,
                self._around.leaders,
                start=number,
                has_home=number < CLIENTS * HOMES,
            )
            while True:
                await wait_turn(rng, CALLS_PER_S * self._around.pace)
                if self._is_settling:
                    continue
                kind, register = rng.choice(REGISTERS)
                role = f"{self._around.name}-{kind}-{register}"
                self._busy += 1
                try:
                    if rng.random() < WRITES:
                        is_ok = await self._write(client, kind, role)
                    else:
                        is_ok = await self._read(client, kind, role)
                finally:
                    self._busy -= 1
                if not is_ok:
                    await trio.sleep(AFTER_FAILURE_S)

    async def _write(self, client: OperatorClient, kind: str, role: str) -> bool:
        self._value = self._value % VALUE_MAX + 1
        value = self._value
        with self._around.recorder.operation(
            "write", key=role, value=value, node=client.node
        ) as operation:
            try:
                if kind == WEIGHT:
                    infos = [{"role": role, "weight": value}]
                    await client.call("UPDATE_WEIGHTS", weight_infos=infos)
                else:
                    config = {"role": role, "limits": {"cpus": {"value": value}}}
                    await client.call(
                        "UPDATE_QUOTA", quota_configs=[config], force=True
                    )
            finally:
                operation.node = client.node
            operation.answer = value
        return operation.is_ok

    async def _read(self, client: OperatorClient, kind: str, role: str) -> bool:
        with self._around.recorder.operation(
            "read", key=role, node=client.node, is_read=True
        ) as operation:
            try:
                if kind == WEIGHT:
                    operation.answer = weight_of(await client.call("GET_WEIGHTS"), role)
                else:
                    operation.answer = limit_of(await client.call("GET_QUOTA"), role)
            finally:
                operation.node = client.node
        return operation.is_ok


def weight_of(answer: dict[str, Any], role: str) -> int | None:
    """Out of the answer to GET_WEIGHTS; None if it was never set."""
    for info in answer["get_weights"].get("weight_infos", []):
        if info["role"] == role:
            return int(info["weight"])
    return None


def limit_of(answer: dict[str, Any], role: str) -> int | None:
    """Out of the answer to GET_QUOTA; None if it was never set."""
    for config in answer["get_quota"].get("status", {}).get("configs", []):
        if config["role"] == role:
            return int(config["limits"]["cpus"]["value"])
    return None
