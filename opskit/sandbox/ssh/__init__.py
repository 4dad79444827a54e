"""SSH in the sandbox: a server on the instance and one on a bastion, EC2 Instance Connect, and the console.

The servers are processes of their own on their machines, started when somebody connects first.
"""
