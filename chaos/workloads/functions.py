"""What the workload ``futures`` runs on the cluster. Imported there, so it imports
nothing."""

import os
import time


def square(number: int) -> int:
    return number * number


def fail(number: int) -> None:
    """Raises what the caller must be raised."""
    raise ValueError(str(number))


def quit_at_once(number: int) -> None:
    """The process of the task ends without a result."""
    os._exit(number % 100 + 1)


def nap(number: int) -> int:
    """Takes long enough to be killed."""
    time.sleep(1.0)
    return number


def repeat(number: int, length: int) -> str:
    """A result that is larger than what comes with a status update."""
    return str(number % 10) * length
