"""Questions of the layer `database`."""
