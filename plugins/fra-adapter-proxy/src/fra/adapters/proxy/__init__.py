"""An exchange hosted in another process: the plugin ``proxy`` for clients, :class:`ExchangeHost` for hosts."""

from fra.adapters.proxy.plugin import ProxyExchange

__all__ = ["ProxyExchange"]
