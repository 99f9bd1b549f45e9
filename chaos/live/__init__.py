"""Real processes, real kernels: start a cluster, break it, judge it, tell of it."""
