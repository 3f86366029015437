"""When to leave an upstream alone: the breaker and the upstream's own wishes."""
