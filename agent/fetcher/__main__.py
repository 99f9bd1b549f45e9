"""The program that fetches. Not for people: its plan comes on stdin.

What it does is told on stderr, which is the task's own. If something cannot be
fetched, why is told on stdout too, for the agent, and its exit code is 1.
"""

from __future__ import annotations

# All that is needed must be here before the program becomes the task's user, who may
# not be able to read our folders.
import encodings.idna  # noqa: F401
import os
import resource
import signal
import sys
import time

import msgspec

from agent.fetcher.archives import unpack
from agent.fetcher.downloads import chunks_of_file, chunks_of_url
from agent.fetcher.places import Budget, FetchError, Places
from agent.fetcher.steps import FetchPlan, FetchStep, FetchUser

PROBLEM_CHARS_MAX = 2000
"""Of what is told to the agent: it becomes the message of a status update."""


def main() -> int:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=FetchPlan)
    bounds = plan.bounds
    # Before it is the user's turn, who need not be able to come here by the path.
    root_fd = os.open(plan.sandbox, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    if plan.user is not None:
        become(plan.user)
    resource.setrlimit(resource.RLIMIT_AS, (bounds.mem_bytes_max,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o022)
    # The agent ends us before, if it is still there.
    signal.alarm(int(bounds.timeout_s) + 10)
    places = Places(root_fd, Budget(bounds, root_fd))
    for step in plan.steps:
        try:
            fetch(step, places, stall_s=bounds.stall_s)
        except (FetchError, OSError) as error:
            return fail(step, str(error))
        except MemoryError:
            return fail(
                step, f"it needs more than {bounds.mem_bytes_max} bytes to read"
            )
    return 0


def fetch(step: FetchStep, places: Places, *, stall_s: float) -> None:
    """One file, and what is packed in it. Raises FetchError, OSError."""
    tell(f"Fetching URI '{step.shown}'")
    if step.url is not None:
        chunks = chunks_of_url(step.url, places.budget, stall_s=stall_s)
    else:
        assert step.path is not None, "one of the two"
        chunks = chunks_of_file(step.path)
    name = "/".join(step.place)
    fd = places.create(step.place, 0o755 if step.is_executable else 0o644)
    with os.fdopen(fd, "w+b", buffering=0) as file:
        for chunk in chunks:
            places.write(fd, chunk)
        if step.archive is not None:
            file.seek(0)
            unpack(step.archive, step.place[-1], file, places)
            tell(f"Extracted '{name}' into the sandbox")
    tell(f"Fetched '{step.shown}' to '{name}'")


def become(user: FetchUser) -> None:
    """For good."""
    os.setgroups(user.groups)
    os.setgid(user.gid)
    os.setuid(user.uid)


def fail(step: FetchStep, why: str) -> int:
    problem = f"Failed to fetch '{step.shown}': {why}"
    tell(problem)
    sys.stdout.write(problem[:PROBLEM_CHARS_MAX])
    return 1


def tell(line: str) -> None:
    """A line in the sandbox's stderr."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    text = f"{moment} fetcher: {line}\n"
    os.write(2, text.encode(errors="backslashreplace"))


if __name__ == "__main__":
    sys.exit(main())
