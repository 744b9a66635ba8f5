"""An exchange hosted in another process: the plugin ``proxy`` for clients, :class:`ExchangeHost` for hosts."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fra.adapters.proxy.plugin import ProxyExchange

__all__ = ["ProxyExchange"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """`fra --help` passes by here for `fra serve`, and must not pay for NATS."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from fra.adapters.proxy.plugin import ProxyExchange

        globals()[name] = ProxyExchange
        return ProxyExchange
