"""Messages of the Mesos v1 API as bytes, in both encodings, from one schema.

A message is a *tree* on its way: dicts, lists, text, numbers, booleans, bytes. JSON is
the tree as it stands; protobuf is the tree through the schema (``tables/``).
"""
