"""Every message of the Mesos v1 API, with its field numbers.

One message or enum to a line, in the notation that ``wire/schema.py`` reads. The
facts are those of Mesos 1.11's ``include/mesos/v1``.
"""
