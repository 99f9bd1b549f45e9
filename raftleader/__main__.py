"""``python -m raftleader``: the command line, without a console script."""

from raftleader.cli.main import main

main()
