"""The framework for native exchange adapters: REST, WebSocket, order books and signing as tables."""
