"""Session Manager's data channel: a protocol without I/O, and the socket under it.

Source: the message formats of aws/session-manager-plugin and aws/amazon-ssm-agent, both public.
"""
