"""Nested containers of a fake agent; their processes are real."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from support.fake_agent_view import FakeAgentView

from agent.nested.containers import NestedContainers


@pytest.fixture
def view(tmp_path: Path) -> FakeAgentView:
    view = FakeAgentView()
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    view.add_container("root", sandbox)
    return view


@pytest.fixture
async def containers(
    view: FakeAgentView, tmp_path: Path
) -> AsyncIterator[NestedContainers]:
    made = NestedContainers(view, tmp_path / "containers", str(tmp_path))
    async with trio.open_nursery() as nursery:
        await nursery.start(made.run)
        yield made
        nursery.cancel_scope.cancel()
