"""Builds and runs the rate limit service and its Redis."""
