"""A small AWS that behaves, for people without an account and for honest tests.

Here belongs everything that imitates: the VPC of network namespaces, the emulated AWS, the
database, the instance and its app, and the faults. Nothing outside this package knows of it, and
it imports nothing of what it tests (`checks`, `reachability`, `policy`, `instance`, `rotation`).
"""
