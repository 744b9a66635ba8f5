"""What the members' accounts hold: asked side by side, summed, and told by member."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

import attrs

from fra.adapters.aggregated import sums
from fra.adapters.aggregated.listings import SAME, Part, Units
from fra.adapters.aggregated.market import AggregatedMarket, page
from fra.adapters.aggregated.members import Answers
from fra.adapters.aggregated.orders import member_id
from fra.adapters.aggregated.sums import ALL, BY_MEMBER, MemberPosition
from fra.core import (
    Balance,
    ExchangeAuthError,
    ExchangeHandle,
    FundingPayment,
    MarginMode,
    NotSupported,
    Operation,
    Position,
    PositionMode,
    Symbol,
)

R = TypeVar("R")


class AggregatedAccounts(AggregatedMarket):
    """Several accounts as one, without their orders."""

    def accounts(self, operation: Operation, symbol: Symbol | None = None) -> list[str]:
        """The members that have an account and can do it, or cannot be asked."""
        among = None if symbol is None else self._at(symbol)
        names = self.able(operation, None if symbol is None else symbol.kind, among)
        found = [name for name in names if (member := self.members.all[name]).handle is None or member.has_account]
        if not any(member.has_account for member in self.members.all.values()) and not found:
            raise ExchangeAuthError(
                "no member has an account", exchange=self.config.name, cure="give a member its keys in fra.toml"
            )
        return found

    def _at(self, symbol: Symbol) -> list[str]:
        """The members that list it, and those of which nobody knows."""
        parts = self.listing(symbol).parts
        return [name for name, member in self.members.all.items() if name in parts or member.handle is None]

    async def ask_accounts(
        self,
        operation: Operation,
        symbol: Symbol | None,
        work: Callable[[str, ExchangeHandle, str | None], Awaitable[R]],
    ) -> Answers[R]:
        """``work`` with every account, by its own name of ``symbol``. Raises unless all answer, or the quorum."""
        names = self.accounts(operation, symbol)
        parts: Mapping[str, Part] = {} if symbol is None else self.listing(symbol).parts

        async def one(name: str, handle: ExchangeHandle) -> R:
            part = parts.get(name)
            return await work(name, handle, None if part is None else part.symbol.name)

        answers = await self.members.ask(names, one)
        wanted = len(names) if self.options.quorum is None else min(self.options.quorum, len(names))
        return self.enough(answers, max(wanted, 1), operation)

    def ours_of(self, member: str, name: str) -> tuple[str, Units]:
        """Our name of a member's symbol, and its units; its own name for one that is none of ours."""
        ours = self.listed.names.get((member, name))
        return (name, SAME) if ours is None else (ours, self.listed.by_name[ours].parts[member])

    # --- account

    async def get_balance(self, market: str | None = None) -> Sequence[Balance]:
        """Without ``market`` one :class:`SummedBalance` an asset; ``"members"``: every wallet of every member, as
        ``okx-main/trading``; a member's name, or one of these: those wallets alone.
        """
        if market not in (None, ALL, BY_MEMBER):
            return await self._wallets_of(str(market))
        answers = await self.ask_accounts(
            Operation.GET_BALANCE, None, lambda name, handle, _symbol: handle.get_balance()
        )
        if market == BY_MEMBER:
            return [sums.of_member(row, name) for name, rows in answers.good.items() for row in rows]
        return sums.summed_balances(answers.good, answers.missing)

    async def _wallets_of(self, market: str) -> list[Balance]:
        name, _, wallet = market.partition("/")
        if name not in self.members.all:
            known = ", ".join((ALL, BY_MEMBER, *self.members.all))
            raise NotSupported(f"there is no wallet {market!r}", exchange=self.config.name, cure=f"there is {known}")
        rows = await self.members.handle(name).get_balance(wallet or None)
        return [sums.of_member(row, name) for row in rows]

    async def get_positions(self, symbol: Symbol | None = None) -> Sequence[Position]:
        """One :class:`SummedPosition` for each side of each symbol, with the members' in it."""
        answers = await self.ask_accounts(
            Operation.GET_POSITIONS, symbol, lambda name, handle, its: handle.get_positions(its)
        )
        found = [self.position(name, row) for name, rows in answers.good.items() for row in rows]
        return sums.summed_positions(found, answers.missing)

    def position(self, member: str, position: Position) -> MemberPosition:
        return sums.position_of(position, *self.ours_of(member, position.symbol), member)

    async def get_funding_payments(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[FundingPayment]:
        """Of all members; ids are ``member/id``."""
        answers = await self.ask_accounts(
            Operation.GET_FUNDING_PAYMENTS,
            symbol,
            lambda name, handle, its: handle.get_funding_payments(its, since=since, until=until, limit=limit),
        )
        found = [self.payment(member, row) for member, rows in answers.good.items() for row in rows]
        return page(found, lambda row: row.timestamp_ms, since, limit)

    def payment(self, member: str, row: FundingPayment) -> FundingPayment:
        """A member's payment as ours."""
        name, units = self.ours_of(member, row.symbol)
        amount = row.position_amount
        return attrs.evolve(
            row,
            symbol=name,
            id=member_id(member, row.id) if row.id else None,
            position_amount=None if amount is None else units.amount(amount),
        )

    async def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        await self._everywhere(Operation.SET_LEVERAGE, symbol, lambda handle, name: handle.set_leverage(name, leverage))

    async def set_margin_mode(self, symbol: Symbol, mode: MarginMode) -> None:
        await self._everywhere(
            Operation.SET_MARGIN_MODE, symbol, lambda handle, name: handle.set_margin_mode(name, mode)
        )

    async def set_position_mode(self, mode: PositionMode) -> None:
        await self._everywhere(Operation.SET_POSITION_MODE, None, lambda handle, name: handle.set_position_mode(mode))

    async def _everywhere(
        self, operation: Operation, symbol: Symbol | None, work: Callable[[ExchangeHandle, str], Awaitable[None]]
    ) -> None:
        """At every member; raises what the first said that did not do it, when all have answered."""
        parts: Mapping[str, Part] = {} if symbol is None else self.listing(symbol).parts

        async def one(name: str, handle: ExchangeHandle) -> None:
            await work(handle, parts[name].symbol.name if name in parts else "")

        answers = await self.members.ask(self.accounts(operation, symbol), one, timed=False)
        self.enough(answers, len(answers.good) + len(answers.bad), operation)
