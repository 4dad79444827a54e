"""opskit: find out why an app on AWS cannot reach its database, and prove the repair."""

__version__ = "0.1.0"

DISTRIBUTION = "opskit-aws"
"""The name to install by. On the package index, `opskit` is another project."""
