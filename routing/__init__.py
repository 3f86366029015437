"""The decisions: pure functions and values. No I/O, no clock, no chance, nothing async."""
