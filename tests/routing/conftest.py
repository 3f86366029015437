"""Laws are checked without a stopwatch: a busy machine is no reason for one to fail."""

from hypothesis import HealthCheck, settings

settings.register_profile("laws", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laws")
