"""Wounds: how a fault that is in force remembers what puts it right."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from typing import Any

import attrs

from chaos.live.seams import Cluster

Healing = Callable[[], Awaitable[Mapping[str, Any]]]


@attrs.frozen(kw_only=True)
class HealedBy:
    """A ``Wound`` that is healed by a call."""

    targets: tuple[str, ...]
    means: str
    detail: Mapping[str, Any] = attrs.field(factory=dict)
    healing: Healing

    async def heal(self) -> Mapping[str, Any]:
        """See ``Wound``."""
        return await self.healing()


@attrs.frozen(kw_only=True)
class Undone:
    """A ``Wound`` that is healed by undoing what was done, the last first."""

    targets: tuple[str, ...]
    means: str
    undo: ExitStack
    detail: Mapping[str, Any] = attrs.field(factory=dict)

    async def heal(self) -> Mapping[str, Any]:
        """See ``Wound``."""
        self.undo.close()
        return {}


def hold(cluster: Cluster, name: str, undo: ExitStack) -> None:
    """No life of the node begins until ``undo`` is closed."""
    cluster.hold(name)
    undo.callback(cluster.release, name)
