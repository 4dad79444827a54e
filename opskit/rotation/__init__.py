"""Changes a password in the database and Parameter Store without ever losing the one that works.

`protocol` has the state machine (pure), runner, journal and fence; `planning` the preflight checks and
the plan; `steps` the writes. Differences between databases are in `engine`; the user interface is in `cli`.
"""
