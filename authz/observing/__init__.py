"""Logs, counts and traces the answers."""
