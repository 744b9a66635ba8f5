"""OKX for fra: spot and perpetual swaps, native."""

from fra.exchanges.okx.options import OKXOptions
from fra.exchanges.okx.plugin import OKXPlugin

__all__ = ["OKXOptions", "OKXPlugin"]
