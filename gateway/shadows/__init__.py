"""Shadows: some requests are also sent to another model, after the client has its answer, to see how it would do."""
