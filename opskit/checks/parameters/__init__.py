"""Checks of the layer `parameters`."""
