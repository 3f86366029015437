"""The edge: HTTP, settings, the driver, records, metrics, control loops, the admin API and the commands."""
