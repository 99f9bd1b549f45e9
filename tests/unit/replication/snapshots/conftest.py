from __future__ import annotations

import random

import pytest

from chaos.sim.disk import SimDisk


@pytest.fixture
def disk() -> SimDisk:
    return SimDisk(random.Random(1))
