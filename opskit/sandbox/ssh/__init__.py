"""SSH in the sandbox: servers on the instance and on a bastion, EC2 Instance Connect, and the console.

Each server is a process on its own machine, started at the first connection.
"""
