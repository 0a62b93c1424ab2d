"""Runs the whole service on this machine: `make up`."""
