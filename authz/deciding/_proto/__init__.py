"""Envoy's messages, generated from `protos/`: `make protos` writes them anew; nobody edits them."""
