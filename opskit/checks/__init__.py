"""Judgement: one question a file, pure functions over facts.

Here belongs what a fact means and how to mend it. Reading does not: a check cannot reach the network.
"""
