"""Questions of the layer `parameters`."""
