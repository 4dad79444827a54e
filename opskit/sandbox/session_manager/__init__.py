"""Session Manager's server side: the gateway, and the agent's side of the data channel.

Written from the public message formats; it shares no code with the client that the tests run against it.
"""
