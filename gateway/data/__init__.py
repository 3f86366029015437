"""The data plane: what applications talk to."""
