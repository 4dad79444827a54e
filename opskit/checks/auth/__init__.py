"""Questions of the layer `auth`."""
