"""Which requests the large model answers as well, what that may cost, and whether the two answers agree."""
