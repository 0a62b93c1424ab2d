"""Reads the catalog, and answers what a customer is entitled to."""
