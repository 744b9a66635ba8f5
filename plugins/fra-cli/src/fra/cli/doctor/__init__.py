"""`fra doctor`: one module a subject, each a function that yields findings; nothing is imported before it is asked."""
