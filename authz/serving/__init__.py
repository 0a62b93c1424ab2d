"""Runs the processes of the service: supervisor, workers, reload and the admin port."""
