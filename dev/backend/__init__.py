"""A sample backend that shows what reached it, over HTTP/1.1, server-sent events, WebSocket and gRPC."""
