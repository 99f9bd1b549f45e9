"""The kinds of workloads: what each is, and how much of it must go well.

A run in which a workload got less done than its minimum has shown nothing about it:
its verdict is unknown. The minimum is a tenth to a fifth of what is usual with faults:
a run passes in which half of the time there was no majority, on a busy machine.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping

import attrs

from chaos.workloads.interface import Surroundings, Workload
from raftleader.errors import ConfigError

MIXED = "mixed"
ALL = "all"


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of workload.

    Attributes:
        summary: One line, for people.
        where: Module and class.
        ok_per_s_min: Operations that must end ok per second of the run's faults.
        ok_needed: What must have ended ok at least once.
    """

    name: str
    summary: str
    where: str
    ok_per_s_min: float
    ok_needed: frozenset[str]

    def make(self, around: Surroundings) -> Workload:
        """A workload of this kind, not running yet."""
        module, _, name = self.where.partition(":")
        made: Workload = getattr(
            importlib.import_module(f"chaos.workloads.{module}"), name
        )(around)
        return made


def _kind(
    name: str, summary: str, where: str, ok_per_s_min: float, *ok_needed: str
) -> Kind:
    return Kind(
        name=name,
        summary=summary,
        where=where,
        ok_per_s_min=ok_per_s_min,
        ok_needed=frozenset(ok_needed),
    )


_FRAMEWORK = ("accept", "acknowledge")

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind(
            "churn",
            "many short tasks that end, fail, or are killed",
            "churn:Churn",
            2.0,
            *_FRAMEWORK,
            "kill",
        ),
        _kind(
            "hoarder",
            "holds offers for seconds, declines and uses them, also too late",
            "hoarder:Hoarder",
            0.3,
            "accept",
            "decline",
        ),
        _kind(
            "quota-race",
            "quotas are set and lifted while two roles launch against them",
            "quota_race:QuotaRace",
            0.8,
            *_FRAMEWORK,
            "set_quota",
        ),
        _kind(
            "failover",
            "a framework whose scheduler is replaced in the middle of its calls",
            "failover:Failover",
            1.0,
            *_FRAMEWORK,
            "reconcile",
        ),
        _kind(
            "reconcile",
            "a storm of questions about tasks, every answer checked",
            "reconcile:Reconcile",
            0.8,
            *_FRAMEWORK,
            "reconcile",
        ),
        _kind(
            "futures",
            "functions through ClusterExecutor; every future ends once, and right",
            "futures:Futures",
            0.2,
            "submit",
        ),
        _kind(
            "services",
            "copies of long tasks, replaced when lost",
            "services:Services",
            0.3,
            *_FRAMEWORK,
            "kill",
        ),
        _kind(
            "registry",
            "clients read and write what the operator sets: is it linearizable?",
            "registry:Registry",
            1.0,
            "read",
            "write",
        ),
    )
}

MIXTURE = ("churn", "hoarder", "failover", "futures", "registry")
"""What ``mixed`` is."""


def kinds_of(workload: str, frameworks: int = 0) -> tuple[str, ...]:
    """The kinds, one for each process, that ``--workload`` means.

    ``mixed``, ``all``, or names joined by commas; as many as ``frameworks``, from the
    beginning again if there are fewer, or each once if that is 0. Raises ConfigError.
    """
    chosen: list[str] = []
    for name in (part.strip() for part in workload.split(",")):
        if name == MIXED:
            chosen += MIXTURE
        elif name == ALL:
            chosen += KINDS
        elif name in KINDS:
            chosen.append(name)
        else:
            raise ConfigError(f"--workload: {_unknown(name)}")
    count = frameworks or len(chosen)
    return tuple(chosen[index % len(chosen)] for index in range(count))


def kind_named(name: str) -> Kind:
    """Raises ConfigError that names kinds like it."""
    try:
        return KINDS[name]
    except KeyError:
        raise ConfigError(_unknown(name)) from None


def _unknown(name: str) -> str:
    known = [MIXED, ALL, *KINDS]
    near = difflib.get_close_matches(name, known, n=2)
    hint = (
        f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    )
    return f"there is no workload {name!r}; {hint}"
