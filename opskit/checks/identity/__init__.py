"""Checks of the layer `identity`."""
