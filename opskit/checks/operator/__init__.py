"""Checks of the layer `operator`: the operator's permissions, checked before they are needed."""
