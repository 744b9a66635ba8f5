"""Bybit's ids: numbers on spot, UUIDs on contracts, made from the engine's and turned back into them."""

_ODD = 0x9E3779B97F4A7C15F39CC0605CEDC835
_BACK = pow(_ODD, -1, 2**128)
_SPOT_ORDERS = 2_000_000_000_000_000_000
_SPOT_TRADES = 2_100_000_000_000_000_000


def uuid_of(number: int) -> str:
    """A UUID's text that hides `number`."""
    digits = f"{number * _ODD % 2**128:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def order_id(number: int, *, spot: bool) -> str:
    return str(_SPOT_ORDERS + number) if spot else uuid_of(number)


def order_number(text: str) -> int | None:
    """The engine's number of an order id, of either kind; None if it can be none."""
    if text.isdigit():
        return int(text) - _SPOT_ORDERS
    try:
        return int(text.replace("-", ""), 16) * _BACK % 2**128
    except ValueError:
        return None


def trade_id(number: int, *, spot: bool) -> str:
    return str(_SPOT_TRADES + number) if spot else uuid_of(number)


def exec_id(number: int, *, maker: bool, spot: bool) -> str:
    """An account's execution: both sides of a trade have one of their own."""
    return trade_id(2 * number + maker, spot=spot)
