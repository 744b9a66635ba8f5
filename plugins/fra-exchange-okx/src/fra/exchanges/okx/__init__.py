"""OKX for fra: spot and perpetual swaps, native."""

from fra.exchanges.okx.plugin import OKXOptions, OKXPlugin

__all__ = ["OKXOptions", "OKXPlugin"]
