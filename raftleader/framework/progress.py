"""Progress of an executor's tasks: a value, and a bar for terminals."""

from __future__ import annotations

from collections.abc import Callable

import attrs


@attrs.frozen(kw_only=True)
class Progress:
    """How far an executor is: counts of tasks.

    Attributes:
        submitted: All that were ever submitted.
        running: Sent to an agent and not ended.
        done: Ended with a value.
        failed: Ended with an exception, lost, killed or cancelled.
    """

    submitted: int
    running: int
    done: int
    failed: int

    @property
    def waiting(self) -> int:
        """Submitted and not yet sent to an agent."""
        return self.submitted - self.running - self.done - self.failed


ProgressListener = Callable[[Progress], None]
