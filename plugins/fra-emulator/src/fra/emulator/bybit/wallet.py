"""An account's wallet in Bybit's words: every coin, and sums in USD (unified account)."""

from collections.abc import Callable, Iterable
from decimal import Decimal

from fra.emulator.accounts import Account
from fra.emulator.bybit.render import Row
from fra.emulator.bybit.rows import ZERO, text
from fra.matching import Balance, Exchange

Usd = Callable[[str], Decimal]
"""What a coin is worth."""
_SUMS = ("equity", "total", "initial", "maintenance", "profit")


def _coin(balance: Balance, position_margin: Decimal, usd: Usd) -> Row:
    locked = max(ZERO, balance.total - balance.free - balance.initial_margin + min(balance.unrealised, ZERO))
    return {
        "coin": balance.asset,
        "equity": text(balance.equity),
        "usdValue": text(round(balance.equity * usd(balance.asset), 8)),
        "walletBalance": text(balance.total),
        "availableToWithdraw": "",
        "availableToBorrow": "",
        "borrowAmount": "0",
        "accruedInterest": "0",
        "totalOrderIM": text(balance.initial_margin - position_margin),
        "totalPositionIM": text(position_margin),
        "totalPositionMM": text(balance.maintenance_margin),
        "unrealisedPnl": text(balance.unrealised),
        "cumRealisedPnl": "0",
        "bonus": "0",
        "collateralSwitch": True,
        "marginCollateral": True,
        "locked": text(locked),
        "spotHedgingQty": "0",
        "spotBorrow": "0",
    }


def wallet(engine: Exchange, account: Account, usd: Usd, coins: Iterable[str] | None = None) -> Row:
    """The account as `account/wallet-balance` and the `wallet` topic have it: sums in USD, and all coins or those
    named."""
    balances = engine.balances(account.name)
    margins: dict[str, Decimal] = {}
    for position in engine.positions(account.name):
        margins[position.settle] = margins.get(position.settle, ZERO) + position.initial_margin
    worth: dict[str, Decimal] = dict.fromkeys(_SUMS, ZERO)
    for balance in balances:
        price = usd(balance.asset)
        worth["equity"] += balance.equity * price
        worth["total"] += balance.total * price
        worth["initial"] += balance.initial_margin * price
        worth["maintenance"] += balance.maintenance_margin * price
        worth["profit"] += balance.unrealised * price
    wanted = None if coins is None else set(coins)
    told = {name: text(round(value, 8)) for name, value in worth.items()}
    equity = worth["equity"]
    rate = {k: text(round(worth[k] / equity, 4)) if equity > 0 else "0" for k in ("initial", "maintenance")}
    return {
        "totalEquity": told["equity"],
        "accountIMRate": rate["initial"],
        "accountIMRateByMp": rate["initial"],
        "totalMarginBalance": told["equity"],
        "totalInitialMargin": told["initial"],
        "totalInitialMarginByMp": told["initial"],
        "accountType": "UNIFIED",
        "totalAvailableBalance": text(round(equity - worth["initial"], 8)),
        "accountMMRate": rate["maintenance"],
        "accountMMRateByMp": rate["maintenance"],
        "totalPerpUPL": told["profit"],
        "totalWalletBalance": told["total"],
        "accountLTV": "0",
        "totalMaintenanceMargin": told["maintenance"],
        "totalMaintenanceMarginByMp": told["maintenance"],
        "coin": [
            _coin(balance, margins.get(balance.asset, ZERO), usd)
            for balance in balances
            if wanted is None or balance.asset in wanted
        ],
    }
