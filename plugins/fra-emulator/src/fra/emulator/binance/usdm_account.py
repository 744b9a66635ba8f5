"""Binance's USD-M account over REST (Binance docs: USD-M Futures, "Account" and "Trade"), the algo service with it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from fra.emulator.accounts import Account
from fra.emulator.binance import trading
from fra.emulator.binance.account import MarketAccount, Params, Row, page
from fra.emulator.binance.rest import Refusal
from fra.matching import Fill, MarginMode, Order, OrderStatus, PositionMode, PositionSide, Refused


class UsdmAccount(MarketAccount):
    """Answers about one account's USD-M wallet, its positions and orders."""

    market = "usdm"

    # -- money and positions
    def _assets(self, account: Account) -> list[Row]:
        return [
            {
                "asset": held.asset,
                "walletBalance": trading.text(held.total),
                "unrealizedProfit": trading.text(held.unrealised),
                "marginBalance": trading.text(held.equity),
                "maintMargin": trading.text(held.maintenance_margin),
                "initialMargin": trading.text(held.initial_margin),
                "positionInitialMargin": trading.text(held.initial_margin),
                "openOrderInitialMargin": "0",
                "crossWalletBalance": trading.text(held.total),
                "crossUnPnl": trading.text(held.unrealised),
                "availableBalance": trading.text(held.available),
                "maxWithdrawAmount": trading.text(held.free),
                "marginAvailable": True,
                "updateTime": self.now_ms(),
            }
            for held in self.live.engine.balances(account.name)
            if held.wallet == "usdm"
        ]

    def balance(self, account: Account, params: Params) -> list[Row]:
        return [
            {
                "accountAlias": "SgsR",
                "asset": row["asset"],
                "balance": row["walletBalance"],
                "crossWalletBalance": row["crossWalletBalance"],
                "crossUnPnl": row["crossUnPnl"],
                "availableBalance": row["availableBalance"],
                "maxWithdrawAmount": row["maxWithdrawAmount"],
                "marginAvailable": True,
                "updateTime": row["updateTime"],
            }
            for row in self._assets(account)
        ]

    def _account(self, account: Account, version: str) -> Row:
        assets = self._assets(account)
        told: Row = {"assets": assets, "positions": self._account_positions(account, version)}
        tether = next((row for row in assets if row["asset"] == "USDT"), None)
        for total, name in (
            ("totalInitialMargin", "initialMargin"),
            ("totalMaintMargin", "maintMargin"),
            ("totalWalletBalance", "walletBalance"),
            ("totalUnrealizedProfit", "unrealizedProfit"),
            ("totalMarginBalance", "marginBalance"),
            ("totalPositionInitialMargin", "positionInitialMargin"),
            ("totalOpenOrderInitialMargin", "openOrderInitialMargin"),
            ("totalCrossWalletBalance", "crossWalletBalance"),
            ("totalCrossUnPnl", "crossUnPnl"),
            ("availableBalance", "availableBalance"),
            ("maxWithdrawAmount", "maxWithdrawAmount"),
        ):
            told[total] = tether[name] if tether is not None else "0"
        if version == "v2":
            told |= {"feeTier": 0, "canTrade": account.may_trade, "canDeposit": True, "canWithdraw": False}
            told |= {"multiAssetsMargin": False, "tradeGroupId": -1, "updateTime": 0}
        return told

    def _account_positions(self, account: Account, version: str) -> list[Row]:
        rows: list[Row] = []
        for position in self.live.engine.positions(account.name):
            risk = trading.position(self.live, position, version="v2")
            isolated = position.margin_mode is MarginMode.ISOLATED
            row: Row = {
                name: risk[name] for name in ("symbol", "positionSide", "positionAmt", "notional", "updateTime")
            }
            row |= {
                "unrealizedProfit": risk["unRealizedProfit"],
                "isolatedMargin": risk["isolatedMargin"],
                "isolatedWallet": risk["isolatedWallet"],
                "initialMargin": trading.text(position.initial_margin),
                "maintMargin": trading.text(position.maintenance_margin),
            }
            if version == "v2":
                row |= {"leverage": risk["leverage"], "isolated": isolated, "entryPrice": risk["entryPrice"]}
                row |= {"breakEvenPrice": risk["breakEvenPrice"], "bidNotional": "0", "askNotional": "0"}
                row |= {"positionInitialMargin": row["initialMargin"], "openOrderInitialMargin": "0"}
            rows.append(row)
        return rows

    def _positions(self, account: Account, params: Params, version: str) -> list[Row]:
        """v2 lists every symbol, flat ones too; v3 those with a position."""
        symbol = self.listing(params).symbol if params.get("symbol") else None
        found = list(self.live.engine.positions(account.name, symbol))
        if version == "v2":
            wanted = [symbol] if symbol else [listing.symbol for listing in self.live.listings("usdm")]
            sides = (PositionSide.LONG, PositionSide.SHORT) if self.is_hedge(account) else (PositionSide.NET,)
            found = [self.live.engine.position(account.name, name, side) for name in wanted for side in sides]
        return [trading.position(self.live, position, version=version) for position in found]

    def account_v2(self, account: Account, params: Params) -> Row:
        return self._account(account, "v2")

    def account_v3(self, account: Account, params: Params) -> Row:
        return self._account(account, "v3")

    def positions_v2(self, account: Account, params: Params) -> list[Row]:
        return self._positions(account, params, "v2")

    def positions_v3(self, account: Account, params: Params) -> list[Row]:
        return self._positions(account, params, "v3")

    # -- settings
    def config(self, account: Account, params: Params) -> Row:
        return {
            "feeTier": 0,
            "canTrade": account.may_trade,
            "canDeposit": True,
            "canWithdraw": False,
            "dualSidePosition": self.is_hedge(account),
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }

    def symbol_config(self, account: Account, params: Params) -> list[Row]:
        wanted = [self.listing(params)] if params.get("symbol") else list(self.live.listings("usdm"))
        engine = self.live.engine
        return [
            {
                "symbol": listing.instrument.symbol,
                "marginType": _margin_type(engine.margin_mode(account.name, listing.symbol)),
                "isAutoAddMargin": False,
                "leverage": int(engine.leverage(account.name, listing.symbol)),
                "maxNotionalValue": "250000000",
            }
            for listing in wanted
        ]

    def brackets(self, account: Account, params: Params) -> list[Row]:
        wanted = [self.listing(params)] if params.get("symbol") else list(self.live.listings("usdm"))
        return [
            {
                "symbol": listing.instrument.symbol,
                "brackets": [
                    {
                        "bracket": 1,
                        "initialLeverage": int(listing.terms.max_leverage),
                        "notionalCap": 250_000_000,
                        "notionalFloor": 0,
                        "maintMarginRatio": float(listing.terms.maintenance_rate),
                        "cum": 0.0,
                    }
                ],
            }
            for listing in wanted
        ]

    def commission(self, account: Account, params: Params) -> Row:
        terms = self.listing(params).terms
        return {
            "symbol": params["symbol"],
            "makerCommissionRate": f"{terms.maker_fee:f}",
            "takerCommissionRate": f"{terms.taker_fee:f}",
        }

    def position_mode(self, account: Account, params: Params) -> Row:
        return {"dualSidePosition": self.is_hedge(account)}

    def multi_assets(self, account: Account, params: Params) -> Row:
        return {"multiAssetsMargin": False}

    def set_position_mode(self, account: Account, params: Params) -> Row:
        wanted = params.get("dualSidePosition", "").lower()
        if wanted not in ("true", "false"):
            raise Refusal(400, -1102, "Mandatory parameter 'dualSidePosition' was not sent.")
        mode = PositionMode.HEDGE if wanted == "true" else PositionMode.ONE_WAY
        try:
            changed = self.live.engine.set_position_mode(account.name, mode, now_ms=self.now_ms())
        except Refused:
            raise Refusal(400, -4068, "Position side cannot be changed if there exists position.") from None
        if not changed:
            raise Refusal(400, -4059, "No need to change position side.")
        return {"code": 200, "msg": "success"}

    def set_leverage(self, account: Account, params: Params) -> Row:
        try:
            leverage = Decimal(params.get("leverage", ""))
        except InvalidOperation:
            raise Refusal(400, -1102, "Mandatory parameter 'leverage' was not sent.") from None
        try:
            self.live.engine.set_leverage(account.name, self.listing(params).symbol, leverage, now_ms=self.now_ms())
        except Refused:
            raise Refusal(400, -4028, f"Leverage {leverage} is not valid") from None
        return {"leverage": int(leverage), "maxNotionalValue": "250000000", "symbol": params["symbol"]}

    def set_margin_type(self, account: Account, params: Params) -> Row:
        mode = {"CROSSED": MarginMode.CROSS, "ISOLATED": MarginMode.ISOLATED}.get(params.get("marginType", ""))
        if mode is None:
            raise Refusal(400, -4025, "Invalid marginType.")
        try:
            changed = self.live.engine.set_margin_mode(
                account.name, self.listing(params).symbol, mode, now_ms=self.now_ms()
            )
        except Refused:
            raise Refusal(400, -4048, "Margin type cannot be changed if there exists position.") from None
        if not changed:
            raise Refusal(400, -4046, "No need to change margin type.")
        return {"code": 200, "msg": "success"}

    # -- orders
    def place(self, account: Account, params: Params) -> Row:
        return trading.usdm_order(self.live, trading.place(self.live, account, self.listing(params), params))

    def order(self, account: Account, params: Params) -> Row:
        order = trading.find(self.live, account, self.listing(params), params)
        if order.trigger is not None and order.triggered_ms is None:
            raise Refusal(400, -2013, "Order does not exist.")
        return trading.usdm_order(self.live, order)

    def open_order(self, account: Account, params: Params) -> Row:
        order = trading.find(self.live, account, self.listing(params), params)
        if not order.status.is_open:
            raise Refusal(400, -2013, "Order does not exist.")
        return trading.usdm_order(self.live, order)

    def cancel(self, account: Account, params: Params) -> Row:
        order = trading.cancel(self.live, account, self.listing(params), params)
        return trading.usdm_order(self.live, order)

    def cancel_all(self, account: Account, params: Params) -> Row:
        return self._cancel_open(account, params, algo=False)

    def _cancel_open(self, account: Account, params: Params, *, algo: bool) -> Row:
        symbol = self.listing(params).symbol
        for order in self.live.engine.open_orders(account.name, symbol):
            if (order.status is OrderStatus.UNTRIGGERED) is algo:
                self.live.cancel(account, order_id=order.id)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _orders(self, account: Account, params: Params) -> list[Order]:
        """Without those that the algo service still has."""
        orders = super()._orders(account, params)
        return [order for order in orders if order.trigger is None or order.triggered_ms is not None]

    def _tell_order(self, order: Order) -> Row:
        return trading.usdm_order(self.live, order)

    def _tell_fill(self, fill: Fill) -> Row:
        return trading.usdm_fill(self.live, fill)

    def income(self, account: Account, params: Params) -> list[Row]:
        if params.get("incomeType") not in (None, "FUNDING_FEE"):
            return []
        symbol = self.listing(params).symbol if params.get("symbol") else None
        rows = [trading.income(self.live, payment) for payment in self.live.engine.payments(account.name, symbol)]
        return page(rows, params, by="tranId", start="", default=100)

    # -- the algo service
    def place_algo(self, account: Account, params: Params) -> Row:
        if params.get("algoType") != "CONDITIONAL":
            raise Refusal(400, -1102, "Mandatory parameter 'algoType' was not sent, was empty/null, or malformed.")
        order = trading.place(self.live, account, self.listing(params), params, algo=True)
        return trading.algo_order(self.live, order)

    def algo(self, account: Account, params: Params) -> Row:
        return trading.algo_order(self.live, self._algo(account, params))

    def open_algos(self, account: Account, params: Params) -> list[Row]:
        return self._algos(account, params, ended=False)

    def all_algos(self, account: Account, params: Params) -> list[Row]:
        return self._algos(account, params, ended=None)

    def cancel_all_algos(self, account: Account, params: Params) -> Row:
        return self._cancel_open(account, params, algo=True)

    def _algo(self, account: Account, params: Params) -> Order:
        for order in self.live.engine.orders(account.name):
            named = str(trading.algo_id(order)) == params.get("algoId") or (
                "algoId" not in params and order.client_id == params.get("clientAlgoId", "")
            )
            if order.trigger is not None and named:
                return order
        raise Refusal(400, -2013, "Order does not exist.")

    def cancel_algo(self, account: Account, params: Params) -> Row:
        try:
            order = self._algo(account, params)
        except Refusal:
            raise Refusal(400, -2011, "Unknown order sent.") from None
        if order.status is not OrderStatus.UNTRIGGERED:
            raise Refusal(400, -2011, "Unknown order sent.")
        self.live.cancel(account, order_id=order.id)
        return {
            "algoId": trading.algo_id(order),
            "clientAlgoId": trading.client_id(order),
            "code": "200",
            "msg": "success",
        }

    def _algos(self, account: Account, params: Params, *, ended: bool | None) -> list[Row]:
        symbol = self.listing(params).symbol if params.get("symbol") else None
        rows = [
            trading.algo_order(self.live, order)
            for order in self.live.engine.orders(account.name, symbol)
            if order.trigger is not None
            and self.live.listing(order.symbol).terms.market == "usdm"
            and (ended is None or (order.status is not OrderStatus.UNTRIGGERED) is ended)
        ]
        return rows if ended is False else page(rows, params, by="algoId", start="algoId")


def _margin_type(mode: MarginMode) -> str:
    return "CROSSED" if mode is MarginMode.CROSS else "ISOLATED"
