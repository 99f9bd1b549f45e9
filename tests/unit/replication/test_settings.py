"""Settings that cannot work are refused when they are made."""

from __future__ import annotations

import pytest

from raftleader.errors import ConfigError
from raftleader.replication.journal.journal import PENDING_BYTES_MAX
from raftleader.replication.settings import STEP_BYTES_MAX, RaftSettings


@pytest.mark.parametrize("name", ["pending_bytes_max", "window_bytes_max"])
def test_setting_that_one_write_of_the_journal_cannot_hold_is_refused(
    name: str,
) -> None:
    settings = RaftSettings(**{name: STEP_BYTES_MAX})
    assert STEP_BYTES_MAX + settings.entry_bytes_max < PENDING_BYTES_MAX
    with pytest.raises(ConfigError, match=name):
        RaftSettings(**{name: STEP_BYTES_MAX + 1})
