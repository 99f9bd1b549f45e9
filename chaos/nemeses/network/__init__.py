"""Faults of links and connections, over ``chaos.live.seams.Network`` alone."""
