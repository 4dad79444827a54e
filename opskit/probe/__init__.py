"""The instance probe: one command that answers every question about the instance and its network."""
