"""The store: one database for snapshots, overlays, audit, workers, leases and records."""
