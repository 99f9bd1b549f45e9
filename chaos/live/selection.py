"""Which faults a person asked for: the language of ``--faults``.

    kill,pause@leader,network,all,-corruption

A list of words with commas between, read from left to right. A word is a class of
faults (``kill``), a group of them (``process``, ``network``, ``disk``, ``clock``,
``operator``), or ``all``; ``none`` alone asks for a run without faults. ``@`` and a
target say whom it hits (``kill@leader``); a class that is named twice hits either.
With a target, a group means those of its classes that can hit it. A ``-`` in front
takes away what the word means, with a target only that target; a list that begins so
begins with everything.

What is said of a class by its own name counts, whatever is said of its group: ``all``
leaves ``pause@leader`` as it is. When a run is too short for all classes, those that
were named go first (``schedule``).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import attrs

from chaos.live.aims import AIMS
from chaos.live.faults import Fault, Group, Target
from raftleader.errors import ConfigError

ALL = "all"
NONE = "none"


@attrs.frozen(kw_only=True)
class Wanted:
    """A class that is asked for.

    Attributes:
        targets: Those that were named, in the order of ``Target``; empty: the usual
            ones of the class.
        is_named: It was asked for by its own name, not by that of a group.
    """

    fault: Fault
    targets: tuple[Target, ...] = ()
    is_named: bool = False

    @property
    def usual_targets(self) -> tuple[Target, ...]:
        """What to draw from, the most wanted first."""
        return self.targets or AIMS[self.fault].usual


@attrs.frozen(kw_only=True)
class Selection:
    """What is asked for, in the order of ``Fault``; ``text`` is how."""

    text: str
    wanted: tuple[Wanted, ...]

    @property
    def faults(self) -> tuple[Fault, ...]:
        return tuple(one.fault for one in self.wanted)


def parse_selection(text: str) -> Selection:
    """Read ``--faults``. Raises ConfigError that names the word, and the nearest known
    one or what would be possible."""
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise ConfigError(
            f"--faults {text!r}: a name is missing; write for example kill,network"
        )
    found: dict[Fault, Wanted] = {}
    if words[0].startswith("-"):
        _add(found, _everything(), None, is_named=False)
    for word in words:
        if word == NONE:
            if len(words) > 1:
                raise ConfigError("--faults none: stands alone, or not at all")
            continue
        name, target = _split(word.removeprefix("-"), word)
        meant = _meant(name, word)
        if target is not None:
            meant = _that_can(meant, target, word)
        if word.startswith("-"):
            _remove(found, meant, target)
        else:
            _add(found, meant, target, is_named=name in _FAULTS)
    if not found and words != [NONE]:
        raise ConfigError(f"--faults {text}: nothing is left; none asks for no faults")
    return Selection(
        text=text, wanted=tuple(found[fault] for fault in Fault if fault in found)
    )


_FAULTS: Mapping[str, Fault] = {fault.value: fault for fault in Fault}
_GROUPS: Mapping[str, Group] = {group.value: group for group in Group}
_TARGETS: Mapping[str, Target] = {target.value: target for target in Target}


def _everything() -> tuple[Fault, ...]:
    return tuple(Fault)


def _split(text: str, word: str) -> tuple[str, Target | None]:
    name, at, target = text.partition("@")
    if not at:
        return name, None
    if target not in _TARGETS:
        raise ConfigError(
            f"--faults {word}: unknown target {target!r}{_near(target, _TARGETS)};"
            f" targets are {', '.join(_TARGETS)}"
        )
    return name, _TARGETS[target]


def _meant(name: str, word: str) -> tuple[Fault, ...]:
    if name == ALL:
        return _everything()
    if name in _GROUPS:
        return tuple(fault for fault in Fault if fault.group is _GROUPS[name])
    if name in _FAULTS:
        return (_FAULTS[name],)
    known = (ALL, NONE, *_GROUPS, *_FAULTS)
    hint = _near(name, known) or f"; known are {', '.join(known)}"
    raise ConfigError(f"--faults {word}: unknown fault {name!r}{hint}")


def _near(word: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, list(known), n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _that_can(
    faults: tuple[Fault, ...], target: Target, word: str
) -> tuple[Fault, ...]:
    able = tuple(fault for fault in faults if target in AIMS[fault].possible)
    if able:
        return able
    if len(faults) > 1:
        raise ConfigError(f"--faults {word}: none of these can hit {target.value}")
    possible = ", ".join(aim.value for aim in AIMS[faults[0]].possible)
    is_kill_all = faults[0] is Fault.KILL and target is Target.ALL
    hint = "; kill-all is a class of its own" if is_kill_all else ""
    raise ConfigError(
        f"--faults {word}: {faults[0].value} cannot hit {target.value}, only"
        f" {possible}{hint}"
    )


def _add(
    found: dict[Fault, Wanted],
    faults: tuple[Fault, ...],
    target: Target | None,
    *,
    is_named: bool,
) -> None:
    for fault in faults:
        new = Wanted(
            fault=fault,
            targets=() if target is None else (target,),
            is_named=is_named,
        )
        old = found.get(fault)
        if old is None or (is_named and not old.is_named):
            found[fault] = new
        elif is_named or not old.is_named:
            either = {*old.usual_targets, *new.usual_targets}
            is_usual = not old.targets and not new.targets
            targets = () if is_usual else tuple(aim for aim in Target if aim in either)
            found[fault] = attrs.evolve(old, targets=targets)


def _remove(
    found: dict[Fault, Wanted], faults: tuple[Fault, ...], target: Target | None
) -> None:
    for fault in faults:
        old = found.get(fault)
        if old is None:
            continue
        left = tuple(
            aim
            for aim in (old.targets or AIMS[fault].usual)
            if target is not None and aim is not target
        )
        if left:
            found[fault] = attrs.evolve(old, targets=left)
        else:
            del found[fault]
