"""Binance as an emulated venue: spot and USD-M, public REST and WebSocket."""
