"""Audits: some requests are answered by the large model as well, after the client has its answer, and compared."""
