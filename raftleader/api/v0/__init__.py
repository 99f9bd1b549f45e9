"""The pages that Mesos had before its v1 API, in the shape that tools still read.

Ids are plain text here, resources are objects, times are seconds; an agent is called a
*slave* in every key. Start in ``pages.py``.
"""
