"""Plays the issuers in development: makes private keys and certificates, and signs tokens. The service never imports it."""
