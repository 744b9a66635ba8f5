"""HTX (formerly Huobi) for fra: spot and USDT-margined perpetual swaps, native."""

from fra.exchanges.htx.plugin import HTXOptions, HTXPlugin

__all__ = ["HTXOptions", "HTXPlugin"]
