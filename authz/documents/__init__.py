"""Reads YAML with line numbers, collects findings, and writes files in one step."""
