"""One async interface to every crypto exchange: the contract, discovery and the promises."""
