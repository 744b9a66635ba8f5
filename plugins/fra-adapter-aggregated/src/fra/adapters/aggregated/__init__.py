"""Several exchanges as one."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fra.adapters.aggregated.books import AggregatedBook, AggregatedView, MemberLevel
    from fra.adapters.aggregated.funding import FundingSpread, MemberFunding
    from fra.adapters.aggregated.options import AggregatedOptions
    from fra.adapters.aggregated.plugin import AggregatedExchange
    from fra.adapters.aggregated.sums import MemberPosition, SummedBalance, SummedPosition
    from fra.adapters.aggregated.tickers import AggregatedTicker

__all__ = [
    "AggregatedBook",
    "AggregatedExchange",
    "AggregatedOptions",
    "AggregatedTicker",
    "AggregatedView",
    "FundingSpread",
    "MemberFunding",
    "MemberLevel",
    "MemberPosition",
    "SummedBalance",
    "SummedPosition",
]

_HOMES: Final = {
    "AggregatedBook": "books",
    "AggregatedExchange": "plugin",
    "AggregatedOptions": "options",
    "AggregatedTicker": "tickers",
    "AggregatedView": "books",
    "FundingSpread": "funding",
    "MemberFunding": "funding",
    "MemberLevel": "books",
    "MemberPosition": "sums",
    "SummedBalance": "sums",
    "SummedPosition": "sums",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value
