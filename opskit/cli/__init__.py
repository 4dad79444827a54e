"""The command line: one file per command, each parses options, calls, prints and sets the exit status.

Only input and output belong here. Checks, output formats and a verdict's exit status are elsewhere.
"""
