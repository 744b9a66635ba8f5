"""The linter: what a cassette still holds that it must not, whoever or whatever wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs

from fra.core import FraError
from fra.testkit.cassettes.fields import LOOSE, Fields, Value, parse
from fra.testkit.cassettes.privacy import ACCOUNT_IN_PATH, MASK, Privacy
from fra.testkit.cassettes.scrub import FORM

_HARMLESS: Final = frozenset(("", MASK, "0"))
_SUFFIXES: Final = frozenset((".yaml", ".yml", ".json"))


@attrs.frozen
class Finding:
    """What stands where in a cassette. What it is, is told; how it reads, is not: findings land in logs."""

    cassette: Path
    place: str
    what: str
    checked: bool = True
    """Whether it was seen; else the file, or a part of it, could not be read, and nobody knows what it holds."""

    def __str__(self) -> str:
        return f"{self.cassette}: {self.place}: {self.what}"


class CassetteLeaks(FraError):
    """A cassette holds what it must not, or cannot be checked for it; ``findings`` says what and where."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        leaks = any(finding.checked for finding in findings)
        what = "a cassette holds what is private" if leaks else "nobody knows what a cassette holds"
        keys = "take a key that was published out of service"
        others = "keep other files out of folders called `cassettes`"
        super().__init__(
            "\n".join([f"{what}:", *map(str, findings)]),
            cure=f"record it anew with fra.testkit.cassettes, and {keys if leaks else others}",
        )
        self.findings = tuple(findings)


def is_cassette(path: Path) -> bool:
    """Whether this is a recording by its place: YAML or JSON below a folder called `cassettes`."""
    return path.suffix in _SUFFIXES and "cassettes" in path.parts[:-1]


def lint(path: Path, privacy: Privacy | None = None) -> list[Finding]:
    """Everything private in one cassette, in order. A file that is no cassette, or cannot be read, is a finding."""
    import yaml  # type: ignore[import-untyped]

    privacy = privacy or Privacy.from_environment()
    try:
        text = path.read_text(encoding="utf-8")
        loaded = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        return [Finding(path, "the file", f"cannot be read as a cassette: {type(error).__name__}", checked=False)]
    interactions = loaded.get("interactions") if isinstance(loaded, Mapping) else None
    if not isinstance(interactions, list):
        return [Finding(path, "the file", "is no cassette: it has no interactions", checked=False)]
    found = [Finding(path, "the file", "a known secret")] if privacy.known(text) else []
    for number, interaction in enumerate(interactions, 1):
        try:
            request, response = interaction["request"], interaction["response"]
            found += [
                Finding(path, place, what) for place, what in _Reader(privacy, f"request {number}", True)(request)
            ]
            found += [
                Finding(path, place, what) for place, what in _Reader(privacy, f"answer {number}", False)(response)
            ]
        except (KeyError, TypeError, AttributeError) as error:
            what = f"cannot be understood: {type(error).__name__}"
            found.append(Finding(path, f"interaction {number}", what, checked=False))
    return list(dict.fromkeys(found))


_Found = tuple[str, str]


@attrs.frozen
class _Reader:
    privacy: Privacy
    who: str
    request: bool

    def __call__(self, message: Mapping[str, object]) -> Iterator[_Found]:
        if uri := message.get("uri"):
            yield from self._uri(str(uri))
        headers = message.get("headers") or {}
        if not isinstance(headers, Mapping):
            raise TypeError("headers are a mapping")
        for name, values in headers.items():
            for value in values if isinstance(values, list) else [values]:
                yield from self._value(f"header {name}", str(name), value)
        yield from self._body(message.get("body"))

    def _uri(self, uri: str) -> Iterator[_Found]:
        parts = urlsplit(uri)
        for part in (parts.netloc and f"://{parts.netloc}", *parts.path.split("/")):
            yield from self._text("the address", part)
        if any(found["id"] not in _HARMLESS for found in ACCOUNT_IN_PATH.finditer(parts.path)):
            yield self._at("the address"), "an account"
        yield from self._form(parts.query, "parameter")

    def _form(self, query: str, kind: str) -> Iterator[_Found]:
        for name, value in parse_qsl(query, keep_blank_values=True):
            yield from self._text(f"the name of a {kind.rpartition(' ')[2]}", name)
            yield from self._value(f"{kind} {name}", name, value)

    def _body(self, body: object) -> Iterator[_Found]:
        if isinstance(body, Mapping):
            body = body.get("string", body.get("base64_string"))
        if isinstance(body, bytes):
            try:
                body = body.decode()
            except UnicodeDecodeError:
                yield self._at("the body"), "is no text and cannot be checked"
                return
        text = str(body or "")
        if FORM.fullmatch(text):
            yield from self._form(text, "the body, field")
        else:
            yield from self._text("the body", text)

    def _text(self, place: str, text: str, *, name: str = "") -> Iterator[_Found]:
        """A text may be JSON, or only itself."""
        parsed = parse(text)
        if parsed is not None:
            yield from self._fields(parsed, place)
            return
        for field in LOOSE.finditer(text):
            yield from self._value(f"{place}, field {field['name']}", field["name"], field["value"].strip('\\"'))
        spellings = (self.privacy.looks(spelt, request=self.request, name=name) for spelt in (text, unquote(text)))
        if what := next(filter(None, spellings), None):
            yield self._at(place), what

    def _fields(self, value: Value, place: str, name: str = "") -> Iterator[_Found]:
        if isinstance(value, Fields):
            for key, item in value:
                yield from self._text(f"{place}, a field's name", key)
                yield from self._fields(item, place, key)
        elif isinstance(value, list):
            for item in value:
                yield from self._fields(item, place, name)
        else:
            yield from self._value(f"{place}, field {name}" if name else place, name, value)

    def _value(self, place: str, name: str, value: object) -> Iterator[_Found]:
        if value is None or isinstance(value, bool):
            return
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if text in _HARMLESS:
            return
        if name and self.privacy.is_private(name):
            yield self._at(place), "is private and was not scrubbed"
        else:
            yield from self._text(place, text, name=name)

    def _at(self, place: str) -> str:
        return f"{self.who}, {place}"


def cassettes_in(path: Path) -> list[Path]:
    """The cassettes of a folder; a file is taken for one, whatever it is called."""
    return sorted(filter(is_cassette, path.rglob("*"))) if path.is_dir() else [path]


def lint_all(paths: Iterable[Path], privacy: Privacy | None = None) -> list[Finding]:
    """The findings of all cassettes among ``paths``, which may be folders."""
    files = dict.fromkeys(file for path in paths for file in cassettes_in(path))
    return [finding for file in files for finding in lint(file, privacy)]
