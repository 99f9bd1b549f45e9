"""What a run on real processes keeps a cluster busy with, each a process of its own."""
