"""The VPC path model: pure functions over described networks, exact for a single TCP connection.

Nothing here reads AWS, depends on a check, or guesses: cases that are not modelled are unknown.
"""
