"""Envoy external authorization for a Cloud Connector."""
