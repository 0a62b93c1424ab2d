"""Reads the packaged public keys and trust anchors, and verifies certificate chains."""
