"""Questions of the layer `network`."""
