"""Questions of the layer `iam`."""
