"""Checks: pure functions over facts, one question per module.

A check decides what facts mean and how to fix a fault. It reads nothing and cannot reach the network.
"""
