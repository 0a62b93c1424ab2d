"""Plays the issuers in development: private keys, certificates, signed tokens. The service never imports it."""
