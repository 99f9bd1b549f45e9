"""All containers that operators started on this agent."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import trio

from agent.nested.container import Container, Kind
from agent.nested.leftovers import MARKER, kill_leftovers, mark
from agent.nested.names import ContainerName
from agent.nested.output import OutputReader, Source
from agent.nested.starting import (
    LaunchRefusedError,
    Started,
    User,
    start_process,
    user_to_become,
)
from agent.nested.terminal import WindowSize
from agent.view import AgentView, ContainerEnd, ContainerState
from raftleader.errors import OverloadedError
from raftleader.protocol.tasks import CommandInfo

PATH_DEFAULT = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RUNNING_MAX = 250
"""Containers that run: each takes up to six descriptors of the agent, and one who
looks into a task must not keep others from being started."""
ENDED_MAX = 1_000
"""Ended containers whose exit is remembered, until somebody removes them."""

logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class LaunchOrder:
    """A container to start. See ``Kind``; ``window`` matters with a terminal."""

    name: ContainerName
    kind: Kind
    command: CommandInfo
    has_terminal: bool = False
    window: WindowSize | None = None


@attrs.frozen(kw_only=True)
class _Place:
    """Where a container is to run: what it takes over of its parent."""

    sandbox: str
    environment: Mapping[str, str]
    user: str | None


@attrs.define(eq=False)
class NestedContainers:
    """Starts, finds and ends them. ``run`` has to run.

    A container ends at the latest with the one that it is in, and all end with the
    agent: those of an agent that was killed are killed when the next one starts.

    Attributes:
        standalone_root: Folder for the sandboxes of standalone containers. They are
            deleted by ``remove``, or when the agent starts.
        agent: Names this agent among all of the machine; what an earlier life of it
            left behind is known by it.
    """

    view: AgentView
    standalone_root: Path
    agent: str
    _life: str = attrs.field(factory=lambda: os.urandom(8).hex(), init=False)
    launch_error_count: int = attrs.field(default=0, init=False)
    _containers: dict[ContainerName, Container] = attrs.field(factory=dict, init=False)
    _nursery: trio.Nursery | None = attrs.field(default=None, init=False)

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Watch over containers until cancelled; then kill them all."""
        await trio.to_thread.run_sync(_delete, self.standalone_root)
        stop_watching = self.view.watch_ends(self._on_end)
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                if count := await kill_leftovers(self.agent, self._life):
                    logger.warning("killed %d processes of nested containers", count)
                await trio.sleep_forever()
        finally:
            self._nursery = None
            stop_watching()

    def all(self) -> list[Container]:
        """Those that run and those that have ended, in order of their start."""
        return list(self._containers.values())

    def find(self, name: ContainerName) -> Container | None:
        """One of them."""
        return self._containers.get(name)

    def launch_nowait(
        self, order: LaunchOrder, *, is_watched: bool = False
    ) -> tuple[Container, OutputReader | None] | None:
        """Start a container; None if one of this name is there already.

        ``is_watched`` gives a reader of its output from the first byte on, which
        holds it up. Raises LaunchRefusedError, OverloadedError.
        """
        name = order.name
        known = self._containers.get(name)
        if (known and not known.ended.is_set()) or self.is_of_view(name):
            return None
        if self._nursery is None:
            raise OverloadedError("the agent is stopping")
        if sum(not c.ended.is_set() for c in self._containers.values()) >= RUNNING_MAX:
            raise OverloadedError(f"{RUNNING_MAX} containers run already")
        if known is not None:
            raise LaunchRefusedError(f"Container {name} has already run")
        try:
            container = self._start(order, self._place_of(name))
        except LaunchRefusedError:
            self.launch_error_count += 1
            raise
        self._containers[name] = container
        reader = container.output.open_reader(holds_up=True) if is_watched else None
        self._nursery.start_soon(self._see_through, container)
        return container, reader

    async def remove(self, name: ContainerName) -> bool:
        """Forget an ended container and delete its sandbox; false if it runs.

        Nothing if there is none.
        """
        container = self._containers.get(name)
        if container is None:
            await trio.lowlevel.checkpoint()
            return not self.is_of_view(name)
        if not container.ended.is_set():
            await trio.lowlevel.checkpoint()
            return False
        del self._containers[name]
        if container.kind is not Kind.SESSION:
            await trio.to_thread.run_sync(_delete, Path(container.sandbox))
        return True

    def end(self, container: Container) -> None:
        """Kill it and what is in it. Idempotent; returns before they are gone."""
        for other in self._containers.values():
            if other.name.is_within(container.name):
                other.signal(signal.SIGKILL)

    async def wait_end_of_view(self, name: ContainerName) -> ContainerEnd | None:
        """Until a container of the agent itself has ended; None if there is none."""
        await trio.lowlevel.checkpoint()
        if not self.is_of_view(name):
            return None
        found: list[ContainerEnd] = []
        ended = trio.Event()

        def on_end(end: ContainerEnd) -> None:
            if end.container_id == name.own:
                found.append(end)
                ended.set()

        stop: Callable[[], None] = self.view.watch_ends(on_end)
        try:
            await ended.wait()
        finally:
            stop()
        return found[0]

    def is_of_view(self, name: ContainerName) -> bool:
        """Whether it is a container of an executor or task."""
        found = self.view.find_container(name.own)
        parent = name.parts[-2] if len(name.parts) > 1 else None
        return found is not None and found.parent == parent and len(name.parts) <= 2

    def _place_of(self, name: ContainerName) -> _Place:
        parent_name = name.parent
        if parent_name is None:
            sandbox = str(self.standalone_root / name.own)
            return _Place(sandbox=sandbox, environment={}, user=None)
        parent = self._containers.get(parent_name)
        if parent is not None and parent.pid is not None:
            return _Place(
                sandbox=parent.sandbox,
                environment=parent.environment,
                user=parent.user,
            )
        found = self.view.find_container(parent_name.own)
        if found is None or not self.is_of_view(parent_name):
            raise LaunchRefusedError(f"Parent container {parent_name} does not exist")
        if found.state is ContainerState.ENDING:
            raise LaunchRefusedError(
                f"Parent container {parent_name} is in 'DESTROYING' state"
            )
        return _Place(
            sandbox=found.sandbox,
            environment=self.view.environment_of(found.container_id) or {},
            user=found.user,
        )

    def _start(self, order: LaunchOrder, place: _Place) -> Container:
        user_name = order.command.user or place.user
        user = user_to_become(user_name)
        environment = {"PATH": PATH_DEFAULT}
        sandbox, files = place.sandbox, dict[Source, int]()
        is_session = order.kind is Kind.SESSION
        if is_session:
            environment.update(place.environment)
        environment.update(order.command.environment)
        if not is_session:
            if order.name.parent is not None:
                sandbox = f"{sandbox}/containers/{order.name.own}"
            environment |= {"MESOS_SANDBOX": sandbox, "MESOS_DIRECTORY": sandbox}
            files = _make_sandbox(sandbox, user)
        environment[MARKER] = mark(self.agent, self._life)
        if order.has_terminal:
            environment.setdefault("TERM", "xterm")
        try:
            started: Started = start_process(
                order.command,
                folder=sandbox,
                environment=environment,
                user=user,
                has_terminal=order.has_terminal,
                window=order.window,
            )
        except LaunchRefusedError:
            for fd in files.values():
                os.close(fd)
            if not is_session:
                _delete(Path(sandbox))
            raise
        return Container(
            name=order.name,
            kind=order.kind,
            sandbox=sandbox,
            environment=environment,
            user=user_name,
            has_terminal=order.has_terminal,
            started=started,
            files=files,
        )

    async def _see_through(self, container: Container) -> None:
        await container.run()
        self.end(container)
        ended = [name for name, c in self._containers.items() if c.ended.is_set()]
        for name in ended[:-ENDED_MAX]:
            del self._containers[name]

    def _on_end(self, end: ContainerEnd) -> None:
        """A container of the agent is over: so are those in it, and their memory."""
        for name, container in list(self._containers.items()):
            if end.container_id in name.parts[:-1]:
                container.signal(signal.SIGKILL)
                del self._containers[name]


def _make_sandbox(path: str, user: User | None) -> dict[Source, int]:
    """Make a folder with two files for output. Raises LaunchRefusedError."""
    files: dict[Source, int] = {}
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
    try:
        Path(path).parent.mkdir(mode=0o711, exist_ok=True)
        Path(path).mkdir(mode=0o700)
        for source in Source:
            name = f"{path}/{source.value.lower()}"
            files[source] = os.open(name, flags, 0o600)
            if user is not None:
                os.fchown(files[source], user.uid, user.gid)
        if user is not None:
            os.chown(path, user.uid, user.gid)
    except OSError as error:
        for fd in files.values():
            os.close(fd)
        if error.errno == errno.EEXIST:
            raise LaunchRefusedError(f"the sandbox {path} exists already") from error
        raise LaunchRefusedError(f"Failed to create sandbox: {error}") from error
    return files


def _delete(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
