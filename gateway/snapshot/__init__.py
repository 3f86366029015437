"""The whole configuration, compiled and immutable: what a data-plane worker knows."""
