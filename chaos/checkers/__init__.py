"""Judges, one promise each: observations in, problems out. Pure.

Those that are classes are told what happens while it happens, and answer with a line
for each problem they see, so that a run knows when it was broken; those that are
functions look back over a whole run and answer with a ``Result``.
"""
