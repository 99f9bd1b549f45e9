"""What a run will do, all of it decided: what ``run.json`` has carried out."""

from __future__ import annotations

from typing import Any

import msgspec

from chaos.live.atlas import Shape
from chaos.live.faults import Injection
from chaos.live.request import LiveRequest
from raftleader.errors import ConfigError


class WorkloadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One process that does work: ``kind`` is one of ``chaos.workloads.catalog``."""

    name: str
    kind: str
    seed: int


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A class of faults that was asked for and is not made, and why.

    Attributes:
        is_missing: This machine, or this run, cannot make it at all; otherwise another
            seed, or more time, has it.
    """

    fault: str
    why: str
    is_missing: bool


class RunPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was drawn.

    Attributes:
        network, disks: The kinds that are used, never ``auto``.
        drawn: Names of the classes of faults that are on.
    """

    request: LiveRequest
    network: str
    disks: str
    drawn: tuple[str, ...]
    schedule: tuple[Injection, ...]
    workloads: tuple[WorkloadPlan, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def shape(self) -> Shape:
        """How large the cluster is."""
        return Shape(
            leaders=self.request.leaders,
            agents=self.request.agents,
            frameworks=len(self.workloads),
            engine=self.request.engine,
        )

    def as_run(self) -> dict[str, Any]:
        """Its keys of ``run.json``."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return {
            "request": built["request"],
            "drawn": {
                "network": self.network,
                "disks": self.disks,
                "faults": list(self.drawn),
                "workloads": built["workloads"],
            },
            "schedule": built["schedule"],
            "left_out": built["left_out"],
        }


def plan_of_run(run: dict[str, Any]) -> RunPlan:
    """Out of ``run.json``. Raises ConfigError."""
    try:
        return msgspec.convert(
            {
                "request": run["request"],
                "network": run["drawn"]["network"],
                "disks": run["drawn"]["disks"],
                "drawn": run["drawn"]["faults"],
                "workloads": run["drawn"]["workloads"],
                "schedule": run["schedule"],
                "left_out": run["left_out"],
            },
            RunPlan,
        )
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise ConfigError(f"run.json: {error}") from error
