"""Serves gRPC around any function from bytes to bytes, and reports its health (grpc.health.v1)."""
