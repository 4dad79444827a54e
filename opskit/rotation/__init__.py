"""Changes a password across database and Parameter Store, and never loses the one that works.

Here belong the protocol (`decide`, pure), its journal, what it does to the world, and who may do it.
What differs between databases is in `engine`; what the user sees is in `cli`.
"""
