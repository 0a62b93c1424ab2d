"""Starts the workers, replaces those that die or hang, and ends the service."""
