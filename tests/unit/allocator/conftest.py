from __future__ import annotations

import pytest

from raftleader.state.trial import Trial


@pytest.fixture
def trial() -> Trial:
    """A replica in term 1 of leader n1."""
    return Trial()
