"""What is judged, a topic a module, and all of it at once."""

from fra.testkit.topics.account import AccountConformance
from fra.testkit.topics.capabilities import CapabilitiesConformance
from fra.testkit.topics.errors import ErrorsConformance
from fra.testkit.topics.funding import FundingConformance
from fra.testkit.topics.lifecycle import LifecycleConformance
from fra.testkit.topics.limits import LimitsConformance
from fra.testkit.topics.market_data import MarketDataConformance
from fra.testkit.topics.orders import OrdersConformance
from fra.testkit.topics.reload import ReloadConformance
from fra.testkit.topics.streams import StreamsConformance


class Conformance(
    ErrorsConformance,
    ReloadConformance,
    LimitsConformance,
    OrdersConformance,
    AccountConformance,
    StreamsConformance,
    FundingConformance,
    MarketDataConformance,
    CapabilitiesConformance,
    LifecycleConformance,
):
    """Every topic at once. pytest begins with the last of the bases."""
