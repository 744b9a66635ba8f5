"""Gate for fra, on ccxt, with what ccxt misreads of it mended."""

from fra.exchanges.gate.plugin import GatePlugin

__all__ = ["GatePlugin"]
