"""HTX (formerly Huobi) for fra: spot and USDT-margined perpetual swaps, native."""

from fra.exchanges.htx.options import HTXOptions
from fra.exchanges.htx.plugin import HTXPlugin

__all__ = ["HTXOptions", "HTXPlugin"]
