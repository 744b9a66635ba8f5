"""Binance for fra: spot and USD-M futures, native."""

from fra.exchanges.binance.plugin import BinanceOptions, CustomBinancePlugin

__all__ = ["BinanceOptions", "CustomBinancePlugin"]
