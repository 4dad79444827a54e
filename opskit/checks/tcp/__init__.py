"""Questions of the layer `tcp`."""
