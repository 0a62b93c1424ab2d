"""Decides: the bytes of Envoy's CheckRequest in, the bytes of its CheckResponse out. Reads no file and no clock."""
