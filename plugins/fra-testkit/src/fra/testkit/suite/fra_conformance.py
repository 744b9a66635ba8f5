"""What ``pytest --fra-adapter NAME`` runs: every topic, on the adapter and the venue that the options name.

Its name is no test's, so that it runs only where it is asked for.
"""

from fra.testkit import Conformance


class TestConformance(Conformance):
    """The adapter of the command line."""
