"""KuCoin for fra, on ccxt, with what ccxt misreads of it mended."""

from fra.exchanges.kucoin.plugin import KuCoinPlugin

__all__ = ["KuCoinPlugin"]
