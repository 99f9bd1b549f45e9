from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.fake_world import FakeCluster, fake_world

from chaos.live.seams import World
from raftleader.cli.api_client import open_api_client


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_api_client([]) as client:
        yield fake_world(tmp_path, client)


@pytest.fixture
def cluster(world: World) -> FakeCluster:
    assert isinstance(world.cluster, FakeCluster)
    return world.cluster
