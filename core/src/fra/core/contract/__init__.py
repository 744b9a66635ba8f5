"""What adapters implement and users call. Imports nothing of ours outside itself."""
