"""What is so: one file per source, each with its frozen dataclass and the function that reads it.

Here belongs reading, and choosing what to read next. Judgement does not: it is in `checks`. Readers
are handed their clients and know them only as the protocols of `interface`.
"""
