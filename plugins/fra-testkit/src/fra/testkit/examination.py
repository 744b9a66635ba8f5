"""The suite without pytest: the same tests, one after another, and a certificate."""

from __future__ import annotations

from fra.testkit.bench import Bench
from fra.testkit.certificate import Certificate
from fra.testkit.check import test_name
from fra.testkit.conformance import Topic, cases_of, tests_of, topic_of
from fra.testkit.outcomes import NotRun, Outcome, Result


def examine(topics: type[Topic]) -> Certificate:
    """Run every test of a class on its adapter and venue. Belongs outside of any event loop."""
    subject = topics()
    bench = Bench(topics.adapter, subject.venue)
    results = []
    try:
        for name, needs in tests_of(topics):
            for case in cases_of(needs, bench.adapter.capabilities):
                arguments = () if needs.scope == "adapter" else (case,)
                outcome, reason = Outcome.PASSED, None
                try:
                    getattr(subject, name)(bench, *arguments)
                except NotRun as verdict:
                    outcome, reason = verdict.outcome, str(verdict)
                except Exception as error:  # whatever a test raises, it failed
                    outcome, reason = Outcome.FAILED, f"{type(error).__name__}: {error}"
                results.append(Result(test_name(name, case), topic_of(topics, name), outcome, reason))
    finally:
        bench.close()
    adapter = bench.adapter
    return Certificate(adapter.name, adapter.distribution, adapter.version, tuple(results))
