"""MEXC for fra: spot and perpetual swaps, on ccxt with its mistakes mended."""

from fra.exchanges.mexc.plugin import MEXCPlugin

__all__ = ["MEXCPlugin"]
