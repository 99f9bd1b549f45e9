"""A TCP proxy that misbehaves on demand, with the HTTP API of Toxiproxy 2.12.

    client - Connection -+- Link upstream   - server
                         `- Link downstream

It takes the place of ``toxiproxy-server`` where there is none; ``control`` drives
either. One conformance suite holds both to the same answers and the same behaviour
on the wire. Read ``pipes``, ``toxics``, ``links``, then ``proxies`` and ``api``.
"""
