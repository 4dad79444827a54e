"""opskit: find out why an app on AWS cannot reach its database, and prove the repair."""

__version__ = "0.1.0"
