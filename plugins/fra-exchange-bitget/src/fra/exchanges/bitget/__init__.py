"""Bitget for fra, on ccxt, with what ccxt misreads of it mended."""

from fra.exchanges.bitget.plugin import BitgetPlugin

__all__ = ["BitgetPlugin"]
