"""What a person sees of a run while it goes on: a bar, and a line for each fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import attrs
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from chaos.live.messages import (
    FaultChanged,
    Message,
    Note,
    PhaseBegan,
    Tick,
)
from raftleader.cli.output import Output

DOING = {
    "start": "starting",
    "before": "working, no faults yet",
    "faults": "faults",
    "heal": "healing",
    "settle": "everything gets done",
    "end": "reading what is left",
}
SHOWN_TARGETS = 3


@attrs.define(kw_only=True)
class Display:
    """Shows messages as they come."""

    progress: Progress
    task: TaskID
    phase: str = "start"
    in_force: dict[int, str] = attrs.field(factory=dict)

    def show(self, message: Message) -> None:
        """One message of the inner process."""
        match message:
            case PhaseBegan(name=name, for_s=for_s):
                self.phase = name
                self.progress.reset(self.task, total=for_s, description=self._doing())
            case Tick(second=second, ops=ops, leader=leader):
                words = f"{ops} ops, {leader or 'nobody'} leads"
                self.progress.update(
                    self.task,
                    completed=second,
                    description=self._doing(),
                    words=words,
                )
            case FaultChanged():
                self._fault(message)
            case Note(text=text, is_problem=is_problem):
                self.say(f"problem: {text}" if is_problem else text)

    def say(self, text: str) -> None:
        """A line above the bar, which stays."""
        self.progress.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def _fault(self, change: FaultChanged) -> None:
        if change.phase == "inject":
            self.in_force[change.number] = change.fault
            self.say(f"  {change.fault}: {', '.join(change.targets) or 'everybody'}")
        elif change.phase == "impossible":
            self.say(f"  {change.fault}: not now: {change.why}")
        else:
            self.in_force.pop(change.number, None)
        self.progress.update(self.task, description=self._doing())

    def _doing(self) -> str:
        words = DOING.get(self.phase, self.phase)
        faults = ", ".join(list(self.in_force.values())[:SHOWN_TARGETS])
        return f"{words}: {faults}" if faults else words


@contextmanager
def display(output: Output) -> Iterator[Display]:
    """On standard error, for the body of a ``with``."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.completed:.0f}/{task.total:.0f} s"),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
        console=output.console,
        refresh_per_second=4,
        transient=True,
    ) as progress:
        task = progress.add_task("starting", total=1.0, words="")
        yield Display(progress=progress, task=task)
