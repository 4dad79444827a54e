"""Questions of the layer `operator`: the rights of whoever runs opskit, asked for beforehand."""
