"""OKX as an emulated venue: spot and swap, public REST and WebSocket (API v5)."""
