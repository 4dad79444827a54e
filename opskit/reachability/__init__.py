"""The VPC path model: pure functions over security groups and network ACLs.

First version: what the database's side admits, and which network ACL drops a packet or its reply.
"""
