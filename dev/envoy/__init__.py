"""Checks the files that Envoy reads and applies them to a running Envoy."""
