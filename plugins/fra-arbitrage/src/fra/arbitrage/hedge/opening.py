"""Opening a hedge from end to end: ask both venues, plan, show, and send what was confirmed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from fra.arbitrage.hedge.execute import Execution, Leg
from fra.arbitrage.hedge.outcome import Outcome, Result
from fra.arbitrage.hedge.plan import DEFAULT_MAX_SLIPPAGE, HedgePlan, HedgeRequest, LegPlan, make_plan
from fra.arbitrage.hedge.present import (
    ask_commands,
    matched_text,
    mend_commands,
    naked_text,
    plan_fields,
    plan_table,
    result_fields,
    result_table,
)
from fra.arbitrage.hedge.size import Size
from fra.arbitrage.hedge.survey import find_pair, survey
from fra.arbitrage.spread import DEFAULT_MAX_GAP
from fra.cli import figures, json_lines
from fra.cli.account import Account, account_of
from fra.cli.consent import Consent
from fra.cli.exit_codes import CommandFailed, ExitCode
from fra.cli.ordering import refuse_a_second_time, terms_of
from fra.cli.placement import PATIENCE, to_its_end
from fra.cli.plan import Plan, command_line
from fra.cli.plan_id import client_order_id
from fra.cli.session import open_session
from fra.cli.table import say, show
from fra.core import plain

if TYPE_CHECKING:
    from fra.cli.session import Session
    from fra.core import ExchangeHandle, OrderRequest


@attrs.frozen(kw_only=True)
class Opening:
    """A hedge that could be sent: the plan, the handles of both legs, and what it takes to confirm it."""

    hedge: HedgePlan
    handles: tuple[ExchangeHandle, ExchangeHandle]
    plan: Plan

    @property
    def accounts(self) -> Mapping[str, Account]:
        return {account.name: account for account in self.plan.accounts}


async def show_hedge(
    symbol: str,
    long: str,
    short: str,
    request: HedgeRequest,
    consent: Consent,
    *,
    fees: Mapping[str, Decimal],
    hedge_modes: Collection[str],
    depth: int,
    config: Path | None,
    as_json: bool,
) -> None:
    """Show the plan; with enough consent send it. Raises what forbids it, and what became of it if not well."""
    async with open_session(config, (long, short)) as session:
        opening = await prepare(
            session,
            symbol,
            long,
            short,
            request,
            fees=fees,
            hedge_modes=hedge_modes,
            depth=depth,
            config=config,
        )
        hedge, plan = opening.hedge, opening.plan
        if as_json:
            json_lines.write("hedge-plan/1", **plan_fields(hedge, plan))
        else:
            show(plan_table(hedge, plan))
        if hedge.problems:
            raise CommandFailed(f"no hedge: {'; '.join(hedge.problems)}")
        if hedge.obstacles and consent.given:
            raise CommandFailed(f"nothing was sent: {'; '.join(hedge.obstacles)}")
        if not plan.permits(consent):
            if not hedge.obstacles:
                plan.tell()
            else:
                say(f"fra: this plan cannot be sent: {'; '.join(hedge.obstacles)}")
            return
        result = await to_its_end(
            send(opening, plan.seed(consent), again=consent.plan_id is not None), what="the hedge is on its way"
        )
    report(result, opening.accounts, as_json=as_json)


async def prepare(
    session: Session,
    symbol: str,
    long: str,
    short: str,
    request: HedgeRequest,
    *,
    fees: Mapping[str, Decimal] | None = None,
    hedge_modes: Collection[str] = (),
    depth: int = 100,
    config: Path | None = None,
) -> Opening:
    """Ask both venues at once and plan. Raises when there is no such pair, no rate or no book."""
    handles = await asyncio.gather(session.handle(long), session.handle(short))
    symbols = await find_pair(handles[0], handles[1], symbol)
    venues = await asyncio.gather(
        *(survey(handle, found, fees or {}, depth=depth) for handle, found in zip(handles, symbols, strict=True))
    )
    venues = [attrs.evolve(venue, hedge_mode=venue.hedge_mode or venue.name in hedge_modes) for venue in venues]
    hedge = make_plan(venues[0], venues[1], request, now_ms=time.time_ns() // 1_000_000)
    notional = hedge.long.notional
    plan = Plan(
        accounts=[account_of(handle, session.config(handle.name)) for handle in handles],
        terms={
            "hedge": [terms_of(leg.request) for leg in hedge.legs] if hedge.units > 0 else [],
            "leverage": None if request.leverage is None else plain(request.leverage),
        },
        amount=f"{'?' if notional is None else plain(round(notional, 2))} {hedge.market.quote}",
        command=command_of(hedge, hedge_modes, config),
    )
    return Opening(hedge=hedge, handles=(handles[0], handles[1]), plan=plan)


def command_of(hedge: HedgePlan, hedge_modes: Collection[str] = (), config: Path | None = None) -> str:
    """The command that makes exactly this plan again, whatever the books do meanwhile: amounts and limits are in it."""
    request = hedge.request
    words = ["hedge", hedge.long.venue.quote.symbol.name, "--long", hedge.long.venue.name]
    words += ["--short", hedge.short.venue.name, "--size", str(Size(hedge.units, hedge.unit))]
    if request.at_market:
        words.append("--market")
    for leg, option in ((hedge.long, "--long-limit"), (hedge.short, "--short-limit")):
        words += [option, plain(leg.limit)] if leg.limit is not None else []
    if request.max_slippage != DEFAULT_MAX_SLIPPAGE:
        words += ["--max-slippage", plain(request.max_slippage)]
    words += ["--max-gap", plain(request.max_gap)] if request.max_gap != DEFAULT_MAX_GAP else []
    words += ["--leverage", plain(request.leverage)] if request.leverage is not None else []
    words += [] if request.check_margin else ["--any-margin"]
    for name in hedge_modes:
        words += ["--hedge-mode", name]
    words += ["--config", str(config)] if config is not None else []
    return command_line(*words)


async def send(opening: Opening, seed: str, *, again: bool = False, patience: float = PATIENCE) -> Result:
    """Send both legs. ``seed`` makes the client order ids; ``again``: a plan of that seed may have been sent before."""
    hedge = opening.hedge
    legs = [_leg(handle, leg, seed) for handle, leg in zip(opening.handles, hedge.legs, strict=True)]
    if again:
        await asyncio.gather(*(refuse_a_second_time(leg.handle, leg.request) for leg in legs))
    if hedge.request.leverage is not None:
        leverage = hedge.request.leverage
        await asyncio.gather(*(leg.handle.set_leverage(leg.symbol, leverage) for leg in legs))
    for leg in legs:
        # Whatever happens from here on, this is what to ask for.
        say(f"fra: {leg.handle.name}: sending {_words(leg.request)}, client order id {leg.request.client_order_id}")
    execution = Execution(legs[0], legs[1], lot=hedge.lot, tell=lambda text: say(f"fra: {text}"), patience=patience)
    return await execution.run()


def _words(request: OrderRequest) -> str:
    price = "at the market" if request.price is None else f"at {plain(request.price)} or better"
    return f"{request.side.value} {plain(request.amount or Decimal(0))} {request.symbol} {price}"


def _leg(handle: ExchangeHandle, leg: LegPlan, seed: str) -> Leg:
    rule = handle.metadata.client_order_id_rule
    numbers = count()

    def new_id() -> str:
        return client_order_id(rule, f"{seed}/{leg.side.value}/{next(numbers)}")

    return Leg(
        handle=handle,
        symbol=leg.venue.quote.symbol,
        side=leg.side,
        request=attrs.evolve(leg.request, client_order_id=new_id()),
        new_id=new_id,
        hedge_mode=leg.venue.hedge_mode,
    )


def report(result: Result, accounts: Mapping[str, Account], *, as_json: bool) -> None:
    """Show what stands now; raises with an exit code of its own when it is not a hedge."""
    if as_json:
        json_lines.write("hedge/1", **result_fields(result, accounts))
    else:
        show(result_table(result))
    mends, asks = mend_commands(result, accounts), ask_commands(result)
    why = "; ".join(f"{leg.exchange}: {leg.entry.problem}" for leg in result.legs if leg.entry.problem)
    match result.outcome:
        case Outcome.HEDGED:
            say(f"fra: hedged: {matched_text(result)}")
        case Outcome.SMALLER:
            say(f"fra: hedged, SMALLER than asked: {matched_text(result)} ({why})")
        case Outcome.FLAT:
            raise CommandFailed(f"no hedge, and nothing is open: {why}")
        case Outcome.NAKED:
            raise CommandFailed(
                f"NAKED LEG: {naked_text(result)} ({why})",
                exit_code=ExitCode.NAKED_LEG,
                cure=" && ".join([*asks, *mends]) or figures.UNKNOWN,
            )
        case Outcome.UNKNOWN:
            then = f"; if it never arrived: {' && '.join(mends)}" if mends else ""
            raise CommandFailed(
                f"OUTCOME UNKNOWN: {naked_text(result)} ({why})",
                exit_code=ExitCode.OUTCOME_UNKNOWN,
                cure=" && ".join(asks) + then,
            )
