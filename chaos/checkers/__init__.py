"""Judges, one promise each: observations in, ``Result`` out. Pure."""
