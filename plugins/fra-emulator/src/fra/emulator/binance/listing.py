"""exchangeInfo of spot and USD-M, and the empty ones of the markets that are not traded here."""

from collections.abc import Iterable
from decimal import Decimal

from fra.emulator.instruments import Instrument

SPOT_WEIGHT, USDM_WEIGHT = 6000, 2400
_PERPETUAL_END = 4133404800000
ONBOARD_MS = 1569398400000


def _padded(value: Decimal) -> str:
    return f"{value:.8f}"


def _window(minutes: int, scale: float) -> dict[str, object]:
    if scale == 1.0:
        return {"interval": "MINUTE", "intervalNum": minutes}
    return {"interval": "SECOND", "intervalNum": max(1, round(minutes * 60 * scale))}


def weight_interval(scale: float) -> str:
    """The interval letter of the used-weight header, e.g. `1M`, `6S`."""
    window = _window(1, scale)
    return f"{window['intervalNum']}{str(window['interval'])[0]}"


def rate_limits(market: str, scale: float) -> list[dict[str, object]]:
    """The `rateLimits` rows; with a window other than a minute they declare the real one."""
    if market == "spot":
        return [
            {"rateLimitType": "REQUEST_WEIGHT", **_window(1, scale), "limit": SPOT_WEIGHT},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000},
            {"rateLimitType": "RAW_REQUESTS", **_window(5, scale), "limit": 300000},
        ]
    return [
        {"rateLimitType": "REQUEST_WEIGHT", **_window(1, scale), "limit": USDM_WEIGHT},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
    ]


def _spot_symbol(i: Instrument) -> dict[str, object]:
    tick, lot = _padded(i.tick), _padded(i.lot)
    return {
        "symbol": i.symbol,
        "status": "TRADING",
        "baseAsset": i.base,
        "baseAssetPrecision": 8,
        "quoteAsset": i.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [
            "LIMIT",
            "LIMIT_MAKER",
            "MARKET",
            "STOP_LOSS",
            "STOP_LOSS_LIMIT",
            "TAKE_PROFIT",
            "TAKE_PROFIT_LIMIT",
        ],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": _padded(i.price.quantize(i.tick) * 20),
                "tickSize": tick,
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": _padded(i.min_amount),
                "maxQty": _padded(i.lot * 10**9),
                "stepSize": lot,
            },
            {"filterType": "ICEBERG_PARTS", "limit": 10},
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": "0.00000000",
                "maxQty": _padded(i.lot * 10**8),
                "stepSize": "0.00000000",
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": "5",
                "bidMultiplierDown": "0.2",
                "askMultiplierUp": "5",
                "askMultiplierDown": "0.2",
                "avgPriceMins": 5,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": _padded(i.min_notional),
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"],
    }


def _places(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _usdm_symbol(i: Instrument) -> dict[str, object]:
    tick, lot = f"{i.tick:f}", f"{i.lot:f}"
    return {
        "symbol": i.symbol,
        "pair": i.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": _PERPETUAL_END,
        "onboardDate": ONBOARD_MS,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": i.base,
        "quoteAsset": i.quote,
        "marginAsset": i.settle,
        # these two are not tick and step size: a client that takes them for it is off the grid
        "pricePrecision": max(2, _places(i.tick) + 1),
        "quantityPrecision": _places(i.lot),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": f"{i.price.quantize(i.tick) * 20:f}",
                "tickSize": tick,
            },
            {"filterType": "LOT_SIZE", "minQty": f"{i.min_amount:f}", "maxQty": f"{i.lot * 10**6:f}", "stepSize": lot},
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": f"{i.min_amount:f}",
                "maxQty": f"{i.lot * 10**5:f}",
                "stepSize": lot,
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": f"{i.min_notional:f}"},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": [
            "LIMIT",
            "MARKET",
            "STOP",
            "STOP_MARKET",
            "TAKE_PROFIT",
            "TAKE_PROFIT_MARKET",
            "TRAILING_STOP_MARKET",
        ],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def exchange_info(market: str, instruments: Iterable[Instrument], now_ms: int, *, scale: float) -> dict[str, object]:
    """The whole `exchangeInfo` reply of spot or USD-M."""
    head: dict[str, object] = {"timezone": "UTC", "serverTime": now_ms}
    limits = {"rateLimits": rate_limits(market, scale), "exchangeFilters": []}
    if market == "spot":
        return {**head, **limits, "symbols": [_spot_symbol(i) for i in instruments]}
    listed = list(instruments)
    assets = [
        {"asset": a, "marginAvailable": True, "autoAssetExchange": "-10000"}
        for a in dict.fromkeys(i.settle for i in listed)
    ]
    return {
        **head,
        "futuresType": "U_MARGINED",
        **limits,
        "assets": assets,
        "symbols": [_usdm_symbol(i) for i in listed],
    }


def empty_info(kind: str, now_ms: int) -> dict[str, object]:
    """The valid, empty `exchangeInfo` of a market that is not traded here (COIN-M, options)."""
    limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": USDM_WEIGHT}]
    base: dict[str, object] = {"timezone": "UTC", "serverTime": now_ms, "rateLimits": limits, "exchangeFilters": []}
    if kind == "eapi":
        return {**base, "optionContracts": [], "optionAssets": [], "optionSymbols": []}
    return {**base, "symbols": []}
