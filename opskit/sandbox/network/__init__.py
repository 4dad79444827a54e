"""The sandbox's network: namespaces, packet filters and a DNS server."""
