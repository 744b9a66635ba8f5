"""A scripted exchange whose market stands still, so that two of it answer the same; and one that says it is on ccxt."""

import attrs
from scripted_venue import Options as ScriptedOptions
from scripted_venue import ScriptedVenue

from fra.core import ExchangeCapabilities, MarketKind, Operation, PluginType, Ticker

THEN = 1_700_000_000_000


@attrs.frozen
class Options(ScriptedOptions):
    stamped: bool = True
    own: int = 0
    """A setting that the one on ccxt has not."""


class SteadyVenue(ScriptedVenue):
    Options = Options

    def trade(self, symbol, number):
        return attrs.evolve(super().trade(symbol, number), timestamp_ms=THEN + number)

    async def get_ticker(self, symbol):
        made = await super().get_ticker(symbol)
        return Ticker(symbol.name, made.received_ms, THEN if self.options.stamped else None, bid=made.bid, ask=made.ask)


@attrs.frozen
class CCXTOptions(ScriptedOptions):
    stamped: bool = False


class SteadyOnCCXT(SteadyVenue):
    Options = CCXTOptions

    @classmethod
    def describe(cls):
        return attrs.evolve(super().describe(), plugin_type=PluginType.CCXT)

    @staticmethod
    def matrix():
        whole = ScriptedVenue.matrix()
        left_out = (Operation.GET_TRADES, MarketKind.LINEAR_SWAP)
        return ExchangeCapabilities({cell: support for cell, support in whole.matrix.items() if cell != left_out})
