"""What the control plane does in the background, in a process of its own, on the replica that holds the lease."""
