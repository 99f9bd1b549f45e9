"""Counts words on a cluster with ``ClusterExecutor.map``.

    python examples/wordcount.py 127.0.0.1:5050 --files 'docs/*.md'

The files must be readable on the agents under the same names. Kill the leader
while it runs: only the clock will notice.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from raftleader.framework import ClusterExecutor


def count_words(path: str) -> Counter[str]:
    """Runs on an agent."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    return Counter(text.lower().split())


def main() -> None:
    parser = argparse.ArgumentParser(description="Count words on a cluster.")
    parser.add_argument("leaders", nargs="+", metavar="HOST:PORT")
    parser.add_argument("--files", default="docs/*.md", metavar="PATTERN")
    parser.add_argument("--cpus", type=float, default=0.5, help="of each task")
    parser.add_argument("--chunk", type=int, default=1, help="files of each task")
    options = parser.parse_args()
    paths = sorted(str(path.resolve()) for path in Path().glob(options.files))
    if not paths:
        parser.error(f"--files: nothing here is named {options.files}")
    total: Counter[str] = Counter()
    with ClusterExecutor(options.leaders, name="wordcount", cpus=options.cpus) as pool:
        for counts in pool.map(
            count_words, paths, chunksize=options.chunk, progress=True
        ):
            total += counts
    for word, count in total.most_common(10):
        print(f"{count:>8} {word}")


if __name__ == "__main__":
    main()
