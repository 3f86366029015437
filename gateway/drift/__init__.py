"""What a worker counts of its requests to see drift by, and how that comes into the store."""
