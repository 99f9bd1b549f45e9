"""``python -m raftleader`` and the console script.

Nothing else is imported before ``main`` runs, so that Ctrl-C ends a command in
order also while its modules are being loaded.
"""

import sys


def main() -> None:
    """The command line; leaves with its exit code."""
    try:
        from raftleader.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
