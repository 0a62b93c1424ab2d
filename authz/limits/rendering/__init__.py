"""Writes the limits as the files that Envoy and the rate limit service read."""
