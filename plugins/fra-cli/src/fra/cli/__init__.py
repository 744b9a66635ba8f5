"""The fra command line."""
