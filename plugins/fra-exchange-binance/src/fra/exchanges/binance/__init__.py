"""Binance for fra: spot and USD-M futures, native."""
