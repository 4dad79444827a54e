"""The instance probe: one command that collects every fact about the instance and its network."""
