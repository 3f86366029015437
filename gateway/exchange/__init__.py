"""One request and its answer: the driver that executes the answer flow, and what is kept of it."""
