"""A small emulated AWS, for users without an account and for realistic tests.

This package holds everything that imitates: the VPC of network namespaces, the emulated AWS, the database,
the instance and its app, and the faults. No other package depends on it except `cli`, and it imports no
code that it tests (`checks`, `reachability`, `policy`, `transport`, `probe`, `rotation`).
"""
