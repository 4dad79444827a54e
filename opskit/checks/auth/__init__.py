"""Checks of the layer `auth`."""
