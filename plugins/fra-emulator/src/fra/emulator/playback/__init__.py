"""Recorded captures as a venue's data source: what was answered or streamed is so again."""
