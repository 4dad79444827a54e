"""The other end of Session Manager: the gateway and the agent's side of the data channel.

Written from the public message formats; it shares no code with the client that it is tested with.
"""
