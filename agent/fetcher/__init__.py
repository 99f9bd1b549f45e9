"""The fetcher: brings what a command names in ``uris`` into its sandbox.

``plan.py`` decides, in the agent, what is to be done, and is pure. It is done by a
program (``__main__.py``), a process for each command, as its user: so files that the
user may not read are not fetched, what is made is the user's, an archive that needs
all CPU and memory harms nobody, and a fetch is ended by a signal, wherever it is. That
is also why it may block and rests on the standard library: no client library for trio
would give any of this.
"""
