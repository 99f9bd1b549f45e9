"""Judging a run on real processes, once it is over, from what lies in its folder."""
