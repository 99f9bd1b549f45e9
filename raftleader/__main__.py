"""``python -m raftleader`` and the console script: the one place above everything.

The commands of ``chaos`` join the others here, since the suite stands above the
command line, which does not know of it.

Nothing else is imported before ``main`` runs, so that Ctrl-C ends a command in
order also while its modules are being loaded.
"""

import sys


def main() -> None:
    """The command line; leaves with its exit code."""
    try:
        from chaos.cli import register
        from raftleader.cli.main import app
        from raftleader.cli.main import main as run

        register(app)
        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
