"""What runs tasks: real processes (``process.py``) or scripted ones (``fake.py``)."""
