"""What an agent tells operators, and does for them: ``/api/v1`` of Mesos' agent.

``api.py`` says which call is answered where.
"""
