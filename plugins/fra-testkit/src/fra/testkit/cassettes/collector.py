"""The pytest plugin: every cassette that pytest meets is a test of its own, which fails on anything private in it.

Settings in the author's pytest options: `fra_private_names` are names of headers, parameters and fields beside those
that the kit knows, `fra_public_names` are names that only look private.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fra.testkit.cassettes.lint import CassetteLeaks, is_cassette, lint
from fra.testkit.cassettes.privacy import Privacy


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("fra_private_names", "further names of fields that no cassette may hold a value of", type="args")
    parser.addini("fra_public_names", "names of fields that only look private", type="args")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    root = parent.config.rootpath
    # A file outside of the root is named on the command line, as an installed suite is; its own place says nothing.
    if file_path.is_relative_to(root) and is_cassette(file_path.relative_to(root)):
        return CassetteFile.from_parent(parent, path=file_path)
    return None


class CassetteFile(pytest.File):
    """One cassette."""

    def collect(self) -> Iterator[pytest.Item]:
        yield CassetteItem.from_parent(self, name="holds-nothing-private")


class CassetteItem(pytest.Item):
    """That it holds no key, no signature and nobody's account."""

    def runtest(self) -> None:
        privacy = Privacy.from_environment(
            names=self.config.getini("fra_private_names"), public=self.config.getini("fra_public_names")
        )
        if findings := lint(self.path, privacy):
            raise CassetteLeaks(findings)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        if isinstance(excinfo.value, CassetteLeaks):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.path.name} holds nothing private"
