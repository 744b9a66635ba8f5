"""OKX for fra: spot and swap, native."""
