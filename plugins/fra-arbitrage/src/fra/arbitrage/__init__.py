"""Funding-rate arbitrage on the fra interface: spreads and their arithmetic."""
