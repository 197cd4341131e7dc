"""A load balancer of our own: an asyncio HTTP/1.1 reverse proxy in its own process, told what to route over stdin."""
