"""HTX under both of its names."""

from __future__ import annotations

import pytest
from htx_local import HtxLocal

from fra.core import ConfigError


@pytest.mark.parametrize("plugin", ["htx", "huobi"])
async def test_the_old_name_is_the_same_venue(plugin: str) -> None:
    async with HtxLocal().connected(plugin=plugin) as htx:
        assert "BTC/USDT" in {symbol.name for symbol in await htx.get_symbols()}


async def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="margin_mode"):
        async with HtxLocal().connected(options={"margin_mod": "cross"}):
            pass
