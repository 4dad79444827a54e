"""Questions of the layer `hygiene`."""
