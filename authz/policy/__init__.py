"""Reads the policy files and turns them into the values that decide."""
