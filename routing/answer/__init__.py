"""The flow of one request: which model to ask next, what to hold back, and how it ended."""
