"""Envoy's messages, generated from `protos/`: `make protos` writes them again, so do not edit them."""
