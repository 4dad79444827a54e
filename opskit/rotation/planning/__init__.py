"""Planning: what a rotation would change, and what must hold before it starts."""
