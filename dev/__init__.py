"""Commands for the developers of this repository: run the whole door, check and apply what Envoy reads."""
