"""Runs the whole service in containers: `make up-compose` and the other compose targets."""
