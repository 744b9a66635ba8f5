"""Bitfinex for fra: spot and perpetual swaps, on ccxt with its mistakes mended."""

from fra.exchanges.bitfinex.plugin import BitfinexPlugin

__all__ = ["BitfinexPlugin"]
