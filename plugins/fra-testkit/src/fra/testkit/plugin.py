"""The pytest plugin: runs what subclasses a topic, takes ``--fra-adapter``, and prints the certificate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from fra.testkit.outcomes import LETTERS, NotRun, Outcome, Result

if TYPE_CHECKING:
    from fra.testkit.conformance import Topic

_KEY: Final = "fra"
_LEFT_OUT: Final = "fra left out"
SUITE: Final = Path(__file__).with_name("suite") / "fra_conformance.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fra", "conformance of fra adapters")
    group.addoption("--fra-adapter", metavar="NAME", help="run the conformance suite on this installed adapter")
    group.addoption("--fra-config", metavar="FILE", help="a fra.toml whose exchange NAME is taken as it stands")
    group.addoption("--fra-base-url", metavar="URL", help="where the adapter is pointed instead of the real venue")
    group.addoption("--fra-venue", metavar="MODULE:FUNCTION", help="what yields a VenueUnderTest, as in a subclass")
    group.addoption("--fra-trade", action="store_true", help="send orders, too: real ones where the venue is real")
    group.addoption("--fra-live", action="store_true", help="the venue is real: without a network nothing is evaluated")
    group.addoption("--fra-certificate", metavar="FILE", help="write the certificates to this file as JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Registrar(config), "fra-testkit-registrar")
    options = ("fra_adapter", "fra_venue", "fra_certificate")
    if any(config.getoption(option) for option in options) and not hasattr(config, "workerinput"):
        from fra.testkit.chosen import look

        look(config)
    if config.getoption("fra_adapter"):
        chosen = config.args_source is pytest.Config.ArgsSource.ARGS
        config.args = [*(config.args if chosen else ()), str(SUITE)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    from fra.testkit.check import NO_CASE, Needs, case_id

    needs = getattr(metafunc.function, "fra_needs", None)
    if isinstance(needs, Needs) and "case" in metafunc.fixturenames:
        from fra.testkit.bench import Adapter
        from fra.testkit.conformance import cases_of

        adapter = getattr(metafunc.cls, "adapter", None) or metafunc.config.getoption("fra_adapter")
        cases = cases_of(needs, Adapter.of(adapter).capabilities)
        metafunc.parametrize("case", cases, ids=[case_id(case) or NO_CASE for case in cases])


@pytest.fixture(scope="module")
def fra_benches() -> Generator[dict[object, object]]:
    """The benches of a module, one for each adapter and venue, closed at its end."""
    from fra.testkit.bench import Bench

    benches: dict[object, object] = {}
    yield benches
    for bench in benches.values():
        assert isinstance(bench, Bench)
        bench.close()


@pytest.fixture
def bench(request: pytest.FixtureRequest, fra_benches: dict[object, object]) -> object:
    """The adapter on its venue, shared by all topics of a module that have the same ``venue``."""
    from fra.testkit.bench import Bench
    from fra.testkit.chosen import chosen_venue
    from fra.testkit.conformance import Topic

    topic = request.instance
    adapter = getattr(topic, "adapter", None) or request.config.getoption("fra_adapter")
    key = (adapter, type(topic).venue)
    if key not in fra_benches:
        own = type(topic).venue is not Topic.venue
        name = adapter if isinstance(adapter, str) else adapter.describe().name
        fra_benches[key] = Bench(adapter, topic.venue if own else lambda: chosen_venue(request.config, name))
    return fra_benches[key]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    try:
        return (yield)
    except NotRun as verdict:
        pyfuncitem.user_properties += [(_KEY, verdict.outcome.value), (f"{_KEY} reason", str(verdict))]
        raise pytest.skip.Exception(f"{verdict.outcome.value}: {verdict}", _use_item_location=True) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    bench = getattr(item, "funcargs", {}).get("bench")
    if report.when != "teardown" and bench is not None and hasattr(getattr(item, "function", None), "fra_needs"):
        from fra.testkit.bench import Bench
        from fra.testkit.check import NO_CASE
        from fra.testkit.conformance import topic_of

        if isinstance(bench, Bench) and isinstance(item, pytest.Function) and item.cls is not None:
            adapter = bench.adapter
            topic = topic_of(item.cls, item.originalname)
            report.user_properties.append((f"{_KEY} adapter", [adapter.name, adapter.distribution, adapter.version]))
            test = item.name.removesuffix(f"[{NO_CASE}]")
            report.user_properties.append((f"{_KEY} test", [test, topic]))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    verdict = _verdict(report)
    if verdict is None or verdict not in LETTERS or report.when != "call":
        return None
    return verdict.value, LETTERS[verdict], verdict.value.upper()


def _verdict(report: pytest.TestReport) -> Outcome | None:
    if report.failed:
        return Outcome.FAILED
    said = dict(report.user_properties).get(_KEY)
    if said is not None:
        return Outcome(said)
    return Outcome.PASSED if report.passed else Outcome.NOT_EVALUATED


class Registrar:
    """Collects what came of every conformance test, wherever it ran, and prints the certificates."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._results: dict[tuple[str, str | None, str | None], dict[str, Result]] = {}
        self._left_out: Counter[str] = Counter()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """What was not even collected: a test was named with ``::``."""
        collected: dict[type[Topic], set[str]] = {}
        for item in items:
            if isinstance(item, pytest.Function) and item.cls is not None and hasattr(item.function, "fra_needs"):
                collected.setdefault(item.cls, set()).add(item.originalname)
        if collected:
            from fra.testkit.conformance import tests_of

            for cls, present in collected.items():
                self._left_out[self._adapter(cls)] += sum(name not in present for name, _ in tests_of(cls))

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        for item in items:
            if isinstance(item, pytest.Function) and item.cls is not None and hasattr(item.function, "fra_needs"):
                self._left_out[self._adapter(item.cls)] += 1

    def _adapter(self, cls: type[Topic]) -> str:
        """The name of the adapter that a class judges."""
        from fra.testkit.bench import Adapter

        return Adapter.of(getattr(cls, "adapter", None) or self._config.getoption("fra_adapter")).name

    def pytest_sessionfinish(self) -> None:
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput[_LEFT_OUT] = dict(self._left_out)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """With pytest-xdist every worker collects, and each leaves out the same."""
        self._left_out |= Counter(getattr(node, "workeroutput", {}).get(_LEFT_OUT, {}))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        said: dict[str, Any] = dict(report.user_properties)
        verdict = _verdict(report)
        if "fra test" not in said or verdict is None or (report.when != "call" and not report.failed):
            return
        test, topic = said["fra test"]
        name, distribution, version = said["fra adapter"]
        reason = None if verdict is Outcome.PASSED else str(said.get("fra reason") or _reason(report))
        results = self._results.setdefault((name, distribution, version), {})
        results[report.nodeid] = Result(test, topic, verdict, reason)

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        from fra.testkit.certificate import Certificate, write

        made = [
            Certificate(name, distribution, version, tuple(results.values()), left_out=self._left_out[name])
            for (name, distribution, version), results in self._results.items()
        ]
        if made:
            terminalreporter.section("fra conformance")
            for certificate in made:
                for line in certificate.lines():
                    terminalreporter.write_line(line)
        if path := self._config.getoption("fra_certificate"):
            write(made, Path(path))
            terminalreporter.write_line(f"written: {path}")


def _reason(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(getattr(crash, "message", report.longreprtext)).partition("\n")[0]
