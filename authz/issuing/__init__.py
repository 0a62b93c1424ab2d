"""Issues keys, certificates and tokens for development. The service never imports it."""
