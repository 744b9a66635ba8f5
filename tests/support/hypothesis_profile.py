"""How hypothesis judges time: not at all. A busy machine is no reason for a test to fail."""

from __future__ import annotations

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # the smoke tests do without it
    pass
else:
    settings.register_profile("fra", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("fra")
