"""Questions of the layer `tls`."""
