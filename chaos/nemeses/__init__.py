"""Faults: each nemesis makes some classes of them, and puts them right."""
