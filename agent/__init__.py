"""The agent daemon: runs on every machine, starts tasks and says how they are.

``machine/`` decides (pure: events in; records and effects out), ``service.py`` acts.
Nothing is started or reported before what it rests on is on disk
(``checkpoint.py``); ``recovery.py`` says what a restarted agent makes of that.
"""
