"""The engine that a test of the replicated log runs on."""

from __future__ import annotations

import pytest
from support.engines import Engine


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    """Named by ``support.engines.engines``."""
    return Engine(name=request.param)
