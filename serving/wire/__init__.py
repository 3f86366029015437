"""HTTP/1.1 to upstreams, for the hot path: connections, their pool, and nothing that a chat call does not need."""
