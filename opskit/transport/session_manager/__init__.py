"""Session Manager's data channel: a sans-I/O protocol, and the WebSocket that carries it.

Source: the message formats of aws/session-manager-plugin and aws/amazon-ssm-agent, both public.
"""
