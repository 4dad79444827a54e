"""Measures how often a diagnosis names the right cause: `make accuracy`.

Every case is a fault, or an unusual set-up without one, made in a sandbox as a person would make it. The
diagnosis is that of the command; the printed fix is pasted as it is.
"""
