"""The command line: one file a command, each options -> call -> print -> exit status.

Here belongs what a person types and sees. Judgement, formats and exit statuses of verdicts do not.
"""
