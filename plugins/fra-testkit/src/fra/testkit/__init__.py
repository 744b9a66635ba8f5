"""The conformance kit for fra's adapters: what an author subclasses, and a local venue in plain Python.

Names are imported when they are asked for: pytest and `fra --help` pass by here and want nothing of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from fra.testkit.check import check  # at once, or its module would stand under this name

if TYPE_CHECKING:
    from fra.testkit.conformance import Topic
    from fra.testkit.faults import Faults
    from fra.testkit.outcomes import NotEvaluated, Outcome, ensure
    from fra.testkit.scripted import Answer, Asked, ScriptedSocket, ScriptedVenue, messages
    from fra.testkit.topics import Conformance
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

_HOMES: Final = {
    "Answer": "scripted",
    "Asked": "scripted",
    "CapabilitiesConformance": "topics.capabilities",
    "Conformance": "topics",
    "Faults": "faults",
    "FundingConformance": "topics.funding",
    "LifecycleConformance": "topics.lifecycle",
    "MarketDataConformance": "topics.market_data",
    "NotEvaluated": "outcomes",
    "Outcome": "outcomes",
    "ScriptedSocket": "scripted",
    "ScriptedVenue": "scripted",
    "Topic": "conformance",
    "VenueUnderTest": "venue",
    "ensure": "outcomes",
    "messages": "scripted",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value
