"""Scenarios of Raft as transcripts; ``tests/support/raft_script.py`` says how to read
and write them.

``RAFTLEADER_REWRITE=1 pytest tests/transcripts`` writes the output anew. Commit
it only if you understand why it changed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.raft_script import run_script

FILES = sorted((Path(__file__).parent / "raft").glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_transcript_holds(path: Path) -> None:
    text = path.read_text()
    now = run_script(text)
    if os.environ.get("RAFTLEADER_REWRITE") == "1":
        path.write_text(now)
        return
    assert now == text


def test_transcripts_are_there() -> None:
    assert len(FILES) >= 25
