"""Facts: one module per data source, with its frozen result type and the function that reads it.

This package reads, and selects what to read next. It does not judge: that is in `checks`. Readers
receive their clients and know them only as the protocols of `interface`.
"""
