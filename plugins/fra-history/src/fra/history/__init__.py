"""History over any adapter: funding, klines and trades, paged to a file that is whole or not there."""
