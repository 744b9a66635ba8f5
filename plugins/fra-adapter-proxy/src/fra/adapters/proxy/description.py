"""What a hosted exchange is, as it travels: the metadata of the real one."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from fra.adapters.proxy.subjects import VERSION
from fra.core import (
    ClientOrderIdRule,
    ExchangeCapabilities,
    ExchangeMetadata,
    MarketKind,
    Operation,
    PluginType,
    Support,
)


class Description(msgspec.Struct):
    """``account`` says whether the host follows an account; ``cells`` are the supported ones of the matrix."""

    version: int
    epoch: str
    display_name: str
    cells: list[tuple[Operation, MarketKind, float | None]]
    lending: bool
    staking: bool
    account: bool
    fee_structure: dict[str, Decimal]
    min_trade_amounts: dict[str, Decimal]
    supported_symbols: list[str]
    base_currencies: list[str]
    quote_currencies: list[str]
    markets: list[str]
    rule: tuple[int, str, str] | None
    connection: str

    @property
    def capabilities(self) -> ExchangeCapabilities:
        matrix = {
            (operation, kind): Support.NATIVE if cadence is None else Support.polled(cadence)
            for operation, kind, cadence in self.cells
        }
        return ExchangeCapabilities(matrix, lending=self.lending, staking=self.staking)

    def metadata(self, version: str) -> ExchangeMetadata:
        """The metadata of the proxy, ``version``, that stands for it. Its rate limits are kept by its host."""
        return ExchangeMetadata(
            name="proxy",
            display_name=f"{self.display_name} (hosted)",
            version=version,
            plugin_type=PluginType.PROXY,
            capabilities=self.capabilities,
            supported_symbols=tuple(self.supported_symbols),
            base_currencies=frozenset(self.base_currencies),
            quote_currencies=frozenset(self.quote_currencies),
            min_trade_amounts=self.min_trade_amounts,
            fee_structure=self.fee_structure,
            account_needs_credentials=not self.account,
            client_order_id_rule=None if self.rule is None else ClientOrderIdRule(*self.rule),
            markets=tuple(self.markets),
        )


def describe(metadata: ExchangeMetadata, *, account: bool, epoch: str, connection: str) -> Description:
    """What a host says of the exchange behind ``metadata``."""
    capabilities, rule = metadata.capabilities, metadata.client_order_id_rule
    return Description(
        version=VERSION,
        epoch=epoch,
        display_name=metadata.display_name,
        cells=[(operation, kind, support.cadence) for operation, kind, support in capabilities.cells()],
        lending=capabilities.lending,
        staking=capabilities.staking,
        account=account,
        fee_structure=dict(metadata.fee_structure),
        min_trade_amounts=dict(metadata.min_trade_amounts),
        supported_symbols=list(metadata.supported_symbols),
        base_currencies=sorted(metadata.base_currencies),
        quote_currencies=sorted(metadata.quote_currencies),
        markets=list(metadata.markets),
        rule=None if rule is None else (rule.max_length, rule.alphabet, rule.prefix),
        connection=connection,
    )
