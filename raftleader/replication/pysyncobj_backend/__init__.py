"""The replicated log over PySyncObj: the only package that imports it.

The library keeps the election, the counting of copies and the queue of commands.
What it does not do safely is ours: disk (``journal.py``), links (``mesh.py``), wire
format (``wire.py``), messages and replication (``guards.py``, ``progress.py``), clock
and chance (``seams.py``). ``log.py`` drives it all from one trio task.
"""

import socket

# Importing the library puts a function for Windows in the place of this one, on every
# system, for the whole process: the next address that anybody prints raises TypeError.
_inet_ntop = socket.inet_ntop
try:
    from raftleader.replication.pysyncobj_backend.log import PySyncObjLog
finally:
    socket.inet_ntop = _inet_ntop

__all__ = ["PySyncObjLog"]
