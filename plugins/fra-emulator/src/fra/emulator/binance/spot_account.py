"""Binance's spot account over REST (Binance docs: Spot, "Account endpoints" and "Trading endpoints")."""

from __future__ import annotations

from fra.emulator.accounts import Account
from fra.emulator.binance import trading
from fra.emulator.binance.account import MarketAccount, Params, Row
from fra.emulator.binance.rest import Refusal
from fra.matching import Fill, Order


class SpotAccount(MarketAccount):
    """Answers about one account's spot wallet, and its orders."""

    market = "spot"

    def account(self, account: Account, params: Params) -> Row:
        balances = [
            {"asset": held.asset, "free": trading.padded(held.free), "locked": trading.padded(held.held)}
            for held in self.live.engine.balances(account.name)
            if held.wallet == "spot" and (held.total or params.get("omitZeroBalances") != "true")
        ]
        return {
            "makerCommission": 10,
            "takerCommission": 10,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {"maker": "0.00100000", "taker": "0.00100000", "buyer": "0", "seller": "0"},
            "canTrade": account.may_trade,
            "canWithdraw": False,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": self.now_ms(),
            "accountType": "SPOT",
            "balances": balances,
            "permissions": ["SPOT"],
            "uid": 354937868,
        }

    def place(self, account: Account, params: Params) -> Row:
        order = trading.place(self.live, account, self.listing(params), params)
        fills = [fill for fill in self.live.engine.fills(account.name, order.symbol) if fill.order_id == order.id]
        return trading.spot_placed(self.live, order, fills)

    def cancel(self, account: Account, params: Params) -> Row:
        order = trading.cancel(self.live, account, self.listing(params), params)
        return trading.spot_canceled(self.live, order, params)

    def cancel_all(self, account: Account, params: Params) -> list[Row]:
        canceled = self.live.cancel_all(account, self.listing(params).symbol)
        if not canceled:
            raise Refusal(400, -2011, "Unknown order sent.")
        return [trading.spot_canceled(self.live, order, {}) for order in canceled]

    def coins(self, account: Account, params: Params) -> list[Row]:
        listings = (*self.live.listings("spot"), *self.live.listings("usdm"))
        assets = dict.fromkeys(asset for listing in listings for asset in (listing.terms.base, listing.terms.quote))
        plain = {"free": "0", "locked": "0", "freeze": "0", "storage": "0", "ipoing": "0", "ipoable": "0"}
        return [
            {
                "coin": asset,
                "name": asset,
                "depositAllEnable": True,
                "withdrawAllEnable": True,
                "trading": True,
                "isLegalMoney": False,
                "networkList": [],
                "withdrawing": "0",
                **plain,
            }
            for asset in assets
        ]

    def fees(self, account: Account, params: Params) -> list[Row]:
        return [
            {
                "symbol": listing.instrument.symbol,
                "makerCommission": f"{listing.terms.maker_fee:f}",
                "takerCommission": f"{listing.terms.taker_fee:f}",
            }
            for listing in self.live.listings("spot")
        ]

    def order(self, account: Account, params: Params) -> Row:
        return self._tell_order(trading.find(self.live, account, self.listing(params), params))

    def _tell_order(self, order: Order) -> Row:
        return trading.spot_order(self.live, order)

    def _tell_fill(self, fill: Fill) -> Row:
        return trading.spot_fill(self.live, fill)
