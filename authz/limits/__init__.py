"""Reads `limits.yaml` and renders it for Envoy and the rate limit service."""
