"""Bybit as an emulated venue (API v5)."""
