"""One node of a Raft group without sockets, tasks, clock or randomness."""
