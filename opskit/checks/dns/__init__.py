"""Questions of the layer `dns`."""
