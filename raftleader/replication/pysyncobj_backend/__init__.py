"""The replicated log over PySyncObj: the only package that imports it.

The library keeps the election, the counting of copies and the queue of commands.
What it does not do safely is ours: disk (``journal.py``), links (``mesh.py``), wire
format (``wire.py``), messages and replication (``guards.py``, ``progress.py``), clock
and chance (``seams.py``). ``log.py`` drives it all from one trio task.
"""

from raftleader.replication.pysyncobj_backend.log import PySyncObjLog

__all__ = ["PySyncObjLog"]
