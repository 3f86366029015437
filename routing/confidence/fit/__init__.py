"""Confidence from labels: the fitted score, how good it is, and thresholds with guarantees.

Nothing here is imported by a worker: it needs numpy and scipy. What comes out of it are plain numbers, which a worker
applies by itself.
"""
