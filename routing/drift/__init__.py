"""Whether the world has moved: what requests and answers are like, how far that is from before, what to do."""
