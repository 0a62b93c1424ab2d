"""Reads `rules/*.yml`: which endpoint needs which unit primitives."""
