"""The conformance kit for fra's adapters: what an author subclasses, and a local venue in plain Python."""

from fra.testkit.check import check
from fra.testkit.conformance import Topic
from fra.testkit.faults import Faults
from fra.testkit.outcomes import NotEvaluated, Outcome, ensure
from fra.testkit.scripted import Answer, Asked, ScriptedSocket, ScriptedVenue, messages
from fra.testkit.topics.capabilities import CapabilitiesConformance
from fra.testkit.topics.funding import FundingConformance
from fra.testkit.topics.lifecycle import LifecycleConformance
from fra.testkit.topics.market_data import MarketDataConformance
from fra.testkit.venue import VenueUnderTest

__all__ = [
    "Answer",
    "Asked",
    "CapabilitiesConformance",
    "Conformance",
    "Faults",
    "FundingConformance",
    "LifecycleConformance",
    "MarketDataConformance",
    "NotEvaluated",
    "Outcome",
    "ScriptedSocket",
    "ScriptedVenue",
    "Topic",
    "VenueUnderTest",
    "check",
    "ensure",
    "messages",
]


class Conformance(LifecycleConformance, CapabilitiesConformance, MarketDataConformance, FundingConformance):
    """Every topic at once."""
