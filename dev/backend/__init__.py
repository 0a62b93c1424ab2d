"""A sample backend that returns the request that reached it, over HTTP/1.1, server-sent events, WebSocket and gRPC."""
