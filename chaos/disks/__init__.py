"""The disks of a run's leader nodes, made so that they can be broken.

``open_disks`` gives every leader node a file system of its own (``ext4``), or a folder
(``plain``), and the means to make single calls fail while the node runs (``shim``).
What is done with them is in ``chaos.nemeses.disk``.
"""

from chaos.disks.errors import DiskError
from chaos.disks.live_disks import LiveDisks, open_disks
from chaos.disks.means import KINDS, DiskMeans, means_of

__all__ = ["KINDS", "DiskError", "DiskMeans", "LiveDisks", "means_of", "open_disks"]
