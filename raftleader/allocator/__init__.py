"""Policy: who is offered what. Pure: (view, now_ms, rng) in, grants out."""
