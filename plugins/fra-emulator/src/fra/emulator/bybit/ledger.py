"""An account's transaction log, as Bybit's `account/transaction-log` tells it: trades and settlements by coin."""

from collections.abc import Iterable
from decimal import Decimal

from fra.emulator.accounts import Account
from fra.emulator.bybit import ids
from fra.emulator.bybit.render import Row
from fra.emulator.bybit.rows import ZERO, Rows, text
from fra.matching import Fill, Payment, Side


def in_order(fills: Iterable[Fill], payments: Iterable[Payment]) -> list[Fill | Payment]:
    """Both in one list, oldest first."""
    return sorted((*fills, *payments), key=lambda happened: happened.timestamp_ms)


def entries(rows: Rows, account: Account) -> list[tuple[int, Row]]:
    """Every entry with its time, oldest first; `cashBalance` is what the coin stood at after it."""
    engine = rows.exchange.engine
    found: list[tuple[int, str, Decimal, Row]] = []
    for happened in in_order(engine.fills(account.name), engine.payments(account.name)):
        if isinstance(happened, Payment):
            found.append((happened.timestamp_ms, happened.asset, happened.amount, _settlement(rows, happened)))
        else:
            for coin, change in _changes(rows, happened):
                found.append((happened.timestamp_ms, coin, change, _trade(rows, happened, coin, change)))
    standing = {balance.asset: balance.total for balance in engine.balances(account.name)}
    told: list[tuple[int, Row]] = []
    for at, coin, change, row in reversed(found):
        told.append((at, row | {"cashBalance": text(standing[coin])}))
        standing[coin] -= change
    return told[::-1]


def _changes(rows: Rows, fill: Fill) -> list[tuple[str, Decimal]]:
    """By coin: on spot both coins move, the fee in one of them; on contracts profit less fee."""
    terms = rows.listing(fill.symbol).terms
    if not terms.is_spot:
        return [(terms.settle, fill.realised - fill.fee)]
    sign = fill.side.sign
    moved = {terms.base: sign * fill.amount, terms.quote: -sign * fill.amount * fill.price}
    return [(coin, change - (fill.fee if coin == fill.fee_asset else ZERO)) for coin, change in moved.items()]


def _trade(rows: Rows, fill: Fill, coin: str, change: Decimal) -> Row:
    listing = rows.listing(fill.symbol)
    terms, spot = listing.terms, listing.terms.is_spot
    fee = fill.fee if coin == fill.fee_asset else ZERO
    execution = ids.exec_id(fill.trade_id, maker=fill.maker, spot=spot)
    row: Row = {"id": f"{execution}_{coin}", "symbol": listing.instrument.symbol, "category": listing.instrument.market}
    row |= {"side": "Buy" if fill.side is Side.BUY else "Sell", "transactionTime": str(fill.timestamp_ms)}
    row |= {"type": "TRADE", "qty": text(fill.amount), "size": "", "currency": coin, "tradePrice": text(fill.price)}
    row |= {"funding": "", "fee": text(fee), "cashFlow": text(change + fee), "change": text(change)}
    row |= {"feeRate": text(terms.maker_fee if fill.maker else terms.taker_fee), "bonusChange": "", "extraFees": ""}
    row |= {"tradeId": execution, "orderId": rows.order_id(fill.symbol, fill.order_id)}
    return row | {"orderLinkId": fill.client_id or ""}


def _settlement(rows: Rows, payment: Payment) -> Row:
    listing = rows.listing(payment.symbol)
    row: Row = {"id": ids.uuid_of(payment.id + 2), "symbol": listing.instrument.symbol}
    row |= {"category": listing.instrument.market, "side": "Buy" if payment.position > 0 else "Sell"}
    row |= {"transactionTime": str(payment.timestamp_ms), "type": "SETTLEMENT", "qty": text(abs(payment.position))}
    row |= {"size": text(payment.position), "currency": payment.asset, "tradePrice": text(payment.mark)}
    row |= {"funding": text(payment.amount), "fee": "0", "cashFlow": "0", "change": text(payment.amount)}
    row |= {"feeRate": text(payment.rate), "bonusChange": "", "extraFees": "", "tradeId": ids.uuid_of(payment.id + 1)}
    return row | {"orderId": ids.uuid_of(payment.id), "orderLinkId": ""}
