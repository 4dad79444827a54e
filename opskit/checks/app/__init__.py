"""Questions of the layer `app`."""
