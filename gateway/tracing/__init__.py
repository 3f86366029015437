"""Traces: a span for every request, and one for each attempt at it. Off unless the environment asks for them."""
