"""Loads policy and keys again when their files change."""
