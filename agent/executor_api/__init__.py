"""The Mesos v1 executor API at the agent: calls in, streams of events out."""
