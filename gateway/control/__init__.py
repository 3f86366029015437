"""The control plane: the admin API, the page of metrics, the file and the lease; its loops run in a child of it."""
