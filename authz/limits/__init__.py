"""Limits: one file for every backend and tier, and what the two engines make of it."""
