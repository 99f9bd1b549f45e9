"""From the words of a test (``kill``, ``leader``) to a fault and whom it hits. Pure.

``kill`` and its like, aimed at agents, mean the classes of those: ``agent-kill``. A
name of a node means that node.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Sequence

import attrs

from chaos.live.aims import AIMS
from chaos.live.faults import Fault, Group, Injection, Target
from chaos.live.selection import Wanted, parse_selection
from chaos.testing.errors import NemesisError
from raftleader.errors import ConfigError

SEEDS_TRIED = 10_000
"""To draw one name of N: a hundred agents are hit within some hundreds of draws."""
_OF_AGENTS = {
    Fault.KILL: Fault.AGENT_KILL,
    Fault.PAUSE: Fault.AGENT_PAUSE,
    Fault.CRASH_POINT: Fault.AGENT_CRASH_POINT,
    Fault.PARTITION: Fault.AGENT_CUT,
}
_OF_FRAMEWORKS = {Fault.PARTITION: Fault.FRAMEWORK_CUT}


@attrs.frozen(kw_only=True)
class Aim:
    """``name`` is set where one node is meant, of those of ``among``."""

    fault: Fault
    target: Target
    name: str | None = None
    among: tuple[str, ...] = ()

    def injection(self, *, number: int, seed: int, for_s: float) -> Injection:
        """With a seed near to ``seed`` that hits whom it should hit."""
        return Injection(
            number=number,
            fault=self.fault,
            target=self.target,
            at_s=0.0,
            for_s=for_s,
            seed=seed if self.name is None else _hitting(self.name, self.among, seed),
        )


def aim(
    fault: str,
    target: str | None,
    *,
    leaders: Sequence[str],
    agents: Sequence[str],
    frameworks: Sequence[str],
) -> Aim:
    """Raises NemesisError that names the word, and what would be possible."""
    [wanted] = _wanted(fault, one_only=True)
    meant = wanted.fault
    if target is None:
        return Aim(fault=meant, target=wanted.usual_targets[0])
    name: str | None = None
    among: tuple[str, ...] = ()
    targets = {one.value: one for one in Target}
    if target in targets:
        kind = targets[target]
    elif target in leaders:
        kind, name, among = Target.ONE, target, tuple(leaders)
    elif target in agents:
        kind, name, among = Target.AGENT, target, tuple(agents)
    elif target in frameworks:
        kind = Target.FRAMEWORK
    else:
        known = [*targets, *leaders, *agents, *frameworks]
        raise NemesisError(
            f"unknown target {target!r}{near(target, known)}; targets are"
            f" {', '.join(targets)}, and names of nodes"
        )
    if kind is Target.AGENT:
        meant = _OF_AGENTS.get(meant, meant)
    elif kind is Target.FRAMEWORK:
        meant = _OF_FRAMEWORKS.get(meant, meant)
    elif meant is Fault.KILL and kind is Target.ALL:
        meant = Fault.KILL_ALL
    possible = AIMS[meant].possible
    if kind not in possible:
        words = ", ".join(one.value for one in possible)
        raise NemesisError(f"{meant.value} cannot hit {target}, only {words}")
    return Aim(fault=meant, target=kind, name=name, among=among)


def wanted_faults(text: str) -> tuple[Wanted, ...]:
    """Of a list as ``--faults`` has it. Raises NemesisError."""
    return _wanted(text, one_only=False)


def _wanted(text: str, *, one_only: bool) -> tuple[Wanted, ...]:
    try:
        wanted = parse_selection(text).wanted
    except ConfigError as error:
        words = str(error).replace("--faults ", "", 1)
        raise NemesisError(words) from error
    names = {one.value for one in Fault}
    if one_only and text not in names:
        groups = ", ".join(group.value for group in Group)
        raise NemesisError(
            f"{text!r} is not one fault: lists, and groups ({groups}), are for"
            " nemesis.schedule"
        )
    if not wanted:
        raise NemesisError(f"{text!r}: no fault is asked for")
    return wanted


def near(word: str, known: Sequence[str]) -> str:
    """``; did you mean ...?``, or nothing."""
    close = difflib.get_close_matches(word, known, n=2)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _hitting(name: str, among: Sequence[str], seed: int) -> int:
    """All nemeses draw whom they hit first of all, by sampling the sorted names."""
    ordered = sorted(among)
    for offset in range(SEEDS_TRIED):
        if random.Random(seed + offset).sample(ordered, 1) == [name]:
            return seed + offset
    raise NemesisError(f"{name} could not be aimed at")
