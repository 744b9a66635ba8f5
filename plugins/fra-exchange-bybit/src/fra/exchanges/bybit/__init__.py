"""Bybit for fra: spot, linear and inverse perpetual contracts, native."""

from fra.exchanges.bybit.options import BybitOptions
from fra.exchanges.bybit.plugin import BybitPlugin

__all__ = ["BybitOptions", "BybitPlugin"]
