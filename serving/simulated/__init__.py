"""The simulated upstream: a real HTTP server whose models are scripts, for demonstrations and tests."""
