"""Audits: which answers are compared with the large model's, how, and within what spend."""
