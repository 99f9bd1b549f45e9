"""What goes wrong with disks that we make ourselves."""

from __future__ import annotations


class DiskError(Exception):
    """A disk of a run cannot be made, mounted, or broken; says why."""
