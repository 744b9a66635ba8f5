"""The conformance kit for fra's adapters: what an author subclasses, and a local venue in plain Python.

Names are imported when they are asked for: pytest and `fra --help` pass by here and want nothing of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from fra.testkit.check import check  # at once, or its module would stand under this name

if TYPE_CHECKING:
    from fra.testkit.certificate import Certificate
    from fra.testkit.conformance import Topic
    from fra.testkit.examination import examine
    from fra.testkit.faults import Faults, Refusal
    from fra.testkit.outcomes import NotEvaluated, Outcome, ensure
    from fra.testkit.scripted import Answer, Asked, ScriptedSocket, ScriptedVenue, messages
    from fra.testkit.topics import Conformance
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
    from fra.testkit.venue import VenueUnderTest

__all__ = [
    "AccountConformance",
    "Answer",
    "Asked",
    "CapabilitiesConformance",
    "Certificate",
    "Conformance",
    "ErrorsConformance",
    "Faults",
    "FundingConformance",
    "LifecycleConformance",
    "LimitsConformance",
    "MarketDataConformance",
    "NotEvaluated",
    "OrdersConformance",
    "Outcome",
    "Refusal",
    "ReloadConformance",
    "ScriptedSocket",
    "ScriptedVenue",
    "StreamsConformance",
    "Topic",
    "VenueUnderTest",
    "check",
    "ensure",
    "examine",
    "messages",
]

_HOMES: Final = {
    "AccountConformance": "topics.account",
    "Answer": "scripted",
    "Asked": "scripted",
    "CapabilitiesConformance": "topics.capabilities",
    "Certificate": "certificate",
    "Conformance": "topics",
    "ErrorsConformance": "topics.errors",
    "Faults": "faults",
    "FundingConformance": "topics.funding",
    "LifecycleConformance": "topics.lifecycle",
    "LimitsConformance": "topics.limits",
    "MarketDataConformance": "topics.market_data",
    "NotEvaluated": "outcomes",
    "OrdersConformance": "topics.orders",
    "Outcome": "outcomes",
    "Refusal": "faults",
    "ReloadConformance": "topics.reload",
    "ScriptedSocket": "scripted",
    "ScriptedVenue": "scripted",
    "StreamsConformance": "topics.streams",
    "Topic": "conformance",
    "VenueUnderTest": "venue",
    "ensure": "outcomes",
    "examine": "examination",
    "messages": "scripted",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value
