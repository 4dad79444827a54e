"""The runbooks that a person reads and a program can follow.

Here belongs finding and parsing them. The texts themselves are Markdown in `runbooks/`.
"""
