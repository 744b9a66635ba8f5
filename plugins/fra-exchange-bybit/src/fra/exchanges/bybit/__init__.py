"""Bybit for fra: spot, linear and inverse perpetual contracts, native."""

from fra.exchanges.bybit.plugin import BybitOptions, BybitPlugin

__all__ = ["BybitOptions", "BybitPlugin"]
