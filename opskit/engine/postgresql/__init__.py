"""PostgreSQL: everything that opskit knows about this engine."""
