"""What is judged, a topic a module, and all of it at once."""

from fra.testkit.topics.capabilities import CapabilitiesConformance
from fra.testkit.topics.funding import FundingConformance
from fra.testkit.topics.lifecycle import LifecycleConformance
from fra.testkit.topics.market_data import MarketDataConformance


class Conformance(LifecycleConformance, CapabilitiesConformance, MarketDataConformance, FundingConformance):
    """Every topic at once."""
