"""What a request leaves behind: its row, its attempts, and the thread that writes them off the path."""
