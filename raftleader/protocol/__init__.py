"""The vocabulary shared by leader, agent and frameworks: values and codecs.

Pure. Values are frozen msgspec structs, because nearly all of them travel (in
the log, to agents, over HTTP) and a log entry is decoded on every node: msgspec
decodes a struct several times faster than an attrs class, and its tagged unions
give commands and messages a type each. Read ``resources.py``, ``tasks.py``, then
``scheduler_api.py``.
"""
