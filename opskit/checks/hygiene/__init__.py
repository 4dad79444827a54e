"""Checks of the layer `hygiene`."""
