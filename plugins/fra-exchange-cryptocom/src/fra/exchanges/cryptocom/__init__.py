"""Crypto.com for fra: spot and perpetual swaps, on ccxt with its mistakes mended."""

from fra.exchanges.cryptocom.plugin import CryptoComPlugin

__all__ = ["CryptoComPlugin"]
