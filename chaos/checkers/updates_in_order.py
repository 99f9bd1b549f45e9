"""P6: updates of a task arrive in order; nothing follows its end."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from chaos.results import Result


@attrs.frozen(kw_only=True)
class Delivered:
    """A status update as its framework received it. A repetition has the same uuid."""

    task: str
    uuid: str
    is_terminal: bool


def updates_in_order(
    delivered: Iterable[Delivered], *, expected_ended: Iterable[str] = ()
) -> Result:
    """No new update after a task's end, one end per task, every expected end seen."""
    problems: list[str] = []
    ended: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for update in delivered:
        if (update.task, update.uuid) in seen:
            continue
        seen.add((update.task, update.uuid))
        if update.task in ended:
            problems.append(f"task {update.task} had ended, then came {update.uuid}")
        elif update.is_terminal:
            ended[update.task] = update.uuid
    problems += [
        f"the end of task {task} never arrived"
        for task in sorted(set(expected_ended) - set(ended))
    ]
    return Result.of("updates_in_order", checked=len(seen), problems=problems)
