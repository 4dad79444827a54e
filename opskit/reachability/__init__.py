"""The VPC path model: pure functions over described networks, exact for a single connection.

Nothing here reads AWS, knows a check, or guesses: what is not modelled is unknown.
"""
