"""What an adapter says that it can do, cell by cell, and whether that is so."""

from __future__ import annotations

from fra.core import FraError, MarketKind, NotSupported, Operation, Symbol
from fra.testkit.bench import Bench
from fra.testkit.calls import ACCOUNT, ACTIONS, READS, STREAMS, cells, kinds_of
from fra.testkit.check import check
from fra.testkit.conformance import Topic
from fra.testkit.outcomes import Broken, NotClaimed, NotEvaluated, Unclaimed, ensure

Cell = tuple[Operation, MarketKind]


class CapabilitiesConformance(Topic):
    """Claimed but failing fails; present but unclaimed is reported; not claimed is refused before anything is sent."""

    topic = "capabilities"

    @check(scope="read")
    async def test_every_claimed_call_answers(self, bench: Bench, case: Cell) -> None:
        """A call that is claimed and fails is found out when the trader needs it."""
        operation, kind = case
        try:
            await bench.ask(operation, kind)
        except FraError as error:
            raise Broken(
                f"{operation.value} is claimed for {kind.value} and fails: {type(error).__name__}: {error} → "
                "make it work, or leave the cell out of `capabilities`"
            ) from error

    @check(scope="stream")
    async def test_every_claimed_stream_tells_something(self, bench: Bench, case: Cell) -> None:
        """A stream that is claimed and silent leaves a strategy waiting for ever."""
        operation, kind = case
        await bench.symbol(kind)
        taken = await bench.listen(operation, kind)
        told = [one for one in taken.items if getattr(one, "valid", True)]
        ensure(
            told,
            f"{operation.value} is claimed for {kind.value} and told nothing{' valid' * bool(taken.items)} in"
            f" {bench.venue.patience:g} s ({taken.error or taken.status})",
            "publish what the venue sends, or leave the cell out of `capabilities`",
        )

    @check(scope="empty")
    async def test_what_is_not_claimed_is_refused_before_anything_is_sent(self, bench: Bench, case: Cell) -> None:
        """An empty cell raises NotSupported and costs no request."""
        operation, kind = case
        symbol = await bench.symbol(kind)
        if bench.claims(operation, kind):
            raise NotEvaluated("the instance claims it, which another test judges")
        count = bench.venue.requests
        before = count() if count else 0
        await _refused(bench, operation, symbol)
        ensure(
            not count or count() == before,
            f"{operation.value} for {kind.value} is not supported, and a request was sent all the same",
            "check the capability first; the host does it for you unless you bypass it",
        )

    @check(scope="operation")
    async def test_what_works_is_claimed(self, bench: Bench, case: Operation) -> None:
        """What works and is not claimed is never used: no strategy will find it."""
        working = []
        possible = cells(READS, bench.adapter.capabilities)
        for symbol in await listed(bench):
            unclaimed = (case, symbol.kind) in possible and not bench.claims(case, symbol.kind)
            if unclaimed and await _works(bench, case, symbol):
                working.append(symbol.kind.value)
        if working:
            raise Unclaimed(f"{case.value} works for {', '.join(working)} and is not claimed")
        if not bench.claims(case):
            raise NotClaimed(case.value)

    @check()
    async def test_the_class_and_the_instance_say_the_same(self, bench: Bench) -> None:
        """`fra plugins` shows what the class says; a program gets the instance."""
        says, does = bench.adapter.capabilities, bench.capabilities
        extra = sorted(
            f"{operation.value} for {kind.value}"
            for (operation, kind), support in does.matrix.items()
            if support and not says.support(operation, kind)
        )
        if extra:
            raise Unclaimed(f"describe() does not name what an instance claims: {', '.join(extra)}")
        lost = sorted(
            f"{operation.value} for {kind.value}"
            for (operation, kind), support in says.matrix.items()
            if support and not does.support(operation, kind)
        )
        if lost and not bench.venue.config.get("markets"):
            raise Broken(
                f"describe() names what no instance claims: {', '.join(lost[:3])} → let both come from one table"
            )


async def listed(bench: Bench) -> list[Symbol]:
    """One symbol of each market kind that the adapter claims and the venue lists."""
    found = []
    for kind in kinds_of(bench.adapter.capabilities):
        try:
            found.append(await bench.symbol(kind))
        except NotEvaluated:
            continue
    if not found:
        raise NotEvaluated("there is no symbol to try it with")
    return found


async def _refused(bench: Bench, operation: Operation, symbol: Symbol) -> None:
    try:
        if operation in STREAMS:
            stream = STREAMS[operation](bench.handle, symbol)
            try:
                await stream.ready()
            finally:
                await stream.close()
        else:
            await {**READS, **ACTIONS}[operation](bench.handle, symbol)
    except NotSupported as error:
        bench.errors.append(error)
        return
    except FraError as error:
        raise Broken(
            f"{operation.value} for {symbol.kind.value} raises {type(error).__name__} → raise NotSupported"
        ) from error
    raise Broken(f"{operation.value} for {symbol.kind.value} answers and is not claimed → claim it")


async def _works(bench: Bench, operation: Operation, symbol: Symbol) -> bool:
    """Whether the adapter itself answers, past the host. Only calls that read are tried."""
    if operation in ACCOUNT and "api_key" not in bench.venue.config:
        return False
    try:
        answer = await READS[operation](bench.main.plugin, symbol)
    except Exception:  # it was never meant to be called
        return False
    return bool(answer)
