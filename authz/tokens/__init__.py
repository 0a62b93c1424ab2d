"""Verifies tokens: the text that a client presents becomes a proof or a refusal."""
