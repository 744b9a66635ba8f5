"""Local servers that speak the real protocols of Binance and OKX."""
