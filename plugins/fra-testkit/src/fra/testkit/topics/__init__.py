"""The topics of the suite, each a class that may be subclassed alone."""
