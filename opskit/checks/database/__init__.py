"""Checks of the layer `database`."""
