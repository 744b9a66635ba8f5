"""Every exchange of ccxt behind fra's interface."""

from fra.adapters.ccxt.binance import BinanceCCXT
from fra.adapters.ccxt.bybit import BybitCCXT
from fra.adapters.ccxt.capabilities import capabilities
from fra.adapters.ccxt.funding import Interval, worded
from fra.adapters.ccxt.htx import HTXCCXT
from fra.adapters.ccxt.more_exchanges import MEXCCCXT, BitfinexCCXT, BitgetCCXT, CryptoComCCXT, GateCCXT, KuCoinCCXT
from fra.adapters.ccxt.numbers import number, positive
from fra.adapters.ccxt.okx import OKXCCXT
from fra.adapters.ccxt.options import CCXTOptions
from fra.adapters.ccxt.plugin import CCXTAdapter
from fra.adapters.ccxt.symbols import Refused
from fra.adapters.ccxt.venue import Venue

__all__ = [
    "HTXCCXT",
    "MEXCCCXT",
    "OKXCCXT",
    "BinanceCCXT",
    "BitfinexCCXT",
    "BitgetCCXT",
    "BybitCCXT",
    "CCXTAdapter",
    "CCXTOptions",
    "CryptoComCCXT",
    "GateCCXT",
    "Interval",
    "KuCoinCCXT",
    "Refused",
    "Venue",
    "capabilities",
    "number",
    "positive",
    "worded",
]
