"""Checks of the layer `app`."""
