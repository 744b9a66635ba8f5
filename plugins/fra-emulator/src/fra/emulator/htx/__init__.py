"""HTX (formerly Huobi) as an emulated venue: spot and USDT-margined linear swap, REST and WebSocket."""
