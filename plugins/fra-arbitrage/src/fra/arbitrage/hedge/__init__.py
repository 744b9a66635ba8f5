"""Opening a hedge: a long leg on one venue and a short leg on another, of the same size, at the same time."""
