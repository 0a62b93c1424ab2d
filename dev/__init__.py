"""What developers run: the whole door on one machine, and checks of what Envoy reads."""
