"""Paper trading for fra: an exchange in this process, on a market of its own or on another exchange's live data."""

from fra.exchanges.paper.generator import LISTINGS, Listing
from fra.exchanges.paper.options import PaperOptions
from fra.exchanges.paper.plugin import PaperExchange

__all__ = ["LISTINGS", "Listing", "PaperExchange", "PaperOptions"]
