"""A program that stands for a leader node: it writes a journal, and nothing else.

    python -m support.journal_node NAME DATA_DIR

It writes an entry every few milliseconds, says ``serving`` when it begins, and dies of
what a node dies of, with the same words.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from raftleader.errors import JournalDamagedError
from raftleader.replication.entries import Entry, user_entry
from raftleader.replication.journal.journal import Journal

SERVING = "serving"
PAUSE_S = 0.005


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def write_for_ever(name: str, data_dir: Path) -> None:
    journal = Journal.open(
        str(data_dir / "journal"),
        cluster_id="cluster",
        node_id=name,
        engine="raft",
        segment_bytes=1024 * 1024,
    )
    for repair in journal.recovered.repairs:
        say(f"journal {repair}")
    say(SERVING)
    while True:
        journal.append([Entry(user_entry(b"x" * 100), journal.last_index + 1, 1)])
        journal.sync()
        time.sleep(PAUSE_S)


def main() -> int:
    try:
        write_for_ever(sys.argv[1], Path(sys.argv[2]))
    except (OSError, JournalDamagedError) as error:
        say(f"raftleader: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
