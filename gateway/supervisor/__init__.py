"""The small process that starts the others, starts them again when they die, and ends them in order."""
