"""What ``pytest --fra-adapter NAME`` runs: every topic, on the adapter and the venue that the options name."""

from fra.testkit import Conformance


class TestConformance(Conformance):
    """The adapter of the command line."""
