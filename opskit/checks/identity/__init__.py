"""Questions of the layer `identity`."""
