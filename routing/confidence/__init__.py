"""What an answer's log-probabilities say about it: tallies, scores and the gate before the fallback."""
