"""Finds and parses runbooks, which a person reads and a program can follow.

The texts themselves are Markdown in `runbooks/`.
"""
