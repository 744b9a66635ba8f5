"""A message as a venue sends it, made into one that no venue should send: small changes, picked by a few bytes.

What picks is a string of bytes, so that hypothesis can draw it and make it smaller: no bytes are no change.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

Json = Any
Path = tuple[str | int, ...]

DEEP: Final = "@@deep@@"
HUGE: Final = "@@huge@@"
NAN: Final = "@@nan@@"
INFINITY: Final = "@@infinity@@"
EXPONENT: Final = "@@exponent@@"
SURROGATE: Final = "@@surrogate@@"
_TOKENS: Final[Mapping[bytes, bytes]] = {
    f'"{DEEP}"'.encode(): b"[" * 50_000 + b"]" * 50_000,
    f'"{HUGE}"'.encode(): b"9" * 5_000,
    f'"{NAN}"'.encode(): b"NaN",
    f'"{INFINITY}"'.encode(): b"-Infinity",
    f'"{EXPONENT}"'.encode(): b"1e400",
    f'"{SURROGATE}"'.encode(): b'"\\ud800"',
}
"""What JSON's grammar does not say, or no encoder writes."""

NASTY: Final[Sequence[Json]] = (
    None, "", "0", 0, -1, "-1", "NaN", "sNaN", "Infinity", "-Infinity", "1e400", "1E+999999", "1e-999999", "-0",
    True, False, [], {}, [[]], [None], {"": None}, "null", "abc", " 1 ", "1,5", "1_000", "٣", "0x10", "+1", "１",
    2**31, 2**53 + 1, 2**63, 2**64, -(2**63), 1e308, 0.1, "9" * 400, "0." + "0" * 400 + "1", "\x00", "ключ", "🂡" * 50,
    1, 1_700_000_000, 17_000_000_000_000_000, "1970-01-01T00:00:00Z", "9999-99-99", "x" * 10_000,
    DEEP, HUGE, NAN, INFINITY, EXPONENT, SURROGATE,
)  # fmt: skip


class Choices:
    """Bytes, read as answers to "which of so many?". When they are used up every answer is the first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def pick(self, count: int) -> int:
        """A number below ``count``."""
        if count <= 1:
            return 0
        width = 1 if count <= 256 else 2
        taken = self._data[self._at : self._at + width]
        self._at += width
        return int.from_bytes(taken, "big") % count

    def one(self, options: Sequence[Any]) -> Any:
        return options[self.pick(len(options))]


def paths(message: Json, prefix: Path = ()) -> list[Path]:
    """Where in a message something stands, the whole first."""
    found = [prefix]
    if isinstance(message, dict):
        for key, value in message.items():
            found += paths(value, (*prefix, key))
    elif isinstance(message, list):
        for index, value in enumerate(message):
            found += paths(value, (*prefix, index))
    return found


def at(message: Json, path: Path) -> Json:
    for step in path:
        message = message[step]
    return message


def replaced(message: Json, path: Path, change: Callable[[Json], Json]) -> Json:
    """``message`` with one place changed; what lies beside it is shared."""
    if not path:
        return change(message)
    step, rest = path[0], path[1:]
    copy = message.copy()
    copy[step] = replaced(message[step], rest, change)
    return copy


# --- changes of one place


def _nasty(choices: Choices, value: Json) -> Json:
    return choices.one(NASTY)


def _retyped(choices: Choices, value: Json) -> Json:
    match value:
        case bool():
            return choices.one((str(value).lower(), int(value), [value]))
        case int() | float():
            return choices.one((str(value), [value], {"value": value}, float(value) if abs(value) < 10**300 else 0))
        case str():
            return choices.one(([value], {"value": value}, len(value), value.encode().hex()))
        case dict():
            return choices.one((list(value.values()), list(value), [value], str(value)))
        case list():
            return choices.one((dict(enumerate(map(str, value))), value[:1] and value[0], [value], str(value)))
        case _:
            return choices.one(("null", 0, [], {}))


def _reworded(choices: Choices, value: Json) -> Json:
    """A number of another size or sign, a word that is none of the known."""
    text = str(value)
    return choices.one(
        (
            f"-{text}",
            f"{text}e9",
            f"{text}0000000000",
            f"{text}.5",
            text[::-1],
            text.swapcase(),
            f"{text}_NEW",
            text[:-1],
        )
    )


def _renumbered(choices: Choices, value: Json) -> Json:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _reworded(choices, value)
    return choices.one((-value, value + 1, value * 1000, value // 1000, value / 3, 0))


def _in_list(choices: Choices, value: Json) -> Json:
    if not isinstance(value, list):
        return [value, value]
    return choices.one(
        (value[::-1], value + value, value[1:], value[:-1], [], [value[-1], *value] if value else [0], value * 200)
    )


def _without_a_key(choices: Choices, value: Json) -> Json:
    if isinstance(value, dict) and value:
        gone = choices.one(tuple(value))
        return {key: rest for key, rest in value.items() if key != gone}
    if isinstance(value, list) and value:
        gone = choices.pick(len(value))
        return value[:gone] + value[gone + 1 :]
    return None


def _retagged(choices: Choices, value: Json) -> Json:
    if not isinstance(value, dict) or not value:
        return _in_list(choices, value)
    key = choices.one(tuple(value))
    name = choices.one((key.upper(), f"{key}X", "", choices.one(tuple(value)), key[:-1]))
    return {(name if other == key else other): rest for other, rest in value.items()}


_CHANGES: Final = (_nasty, _nasty, _nasty, _without_a_key, _retyped, _reworded, _renumbered, _in_list, _retagged)


# --- changes of the text


def _cut(choices: Choices, text: bytes) -> bytes:
    return text[: choices.pick(min(len(text), 65_536))]


def _byte(choices: Choices, text: bytes) -> bytes:
    if not text:
        return b"\xff"
    place = choices.pick(min(len(text), 65_536))
    return text[:place] + bytes([choices.pick(256)]) + text[place + 1 :]


def _wrong_unicode(choices: Choices, text: bytes) -> bytes:
    place = choices.pick(min(len(text), 65_536))
    return text[:place] + choices.one((b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\x00")) + text[place:]


def _key_twice(choices: Choices, text: bytes) -> bytes:
    colons = [place for place in range(len(text[:2000])) if text[place : place + 2] == b'":']
    if not colons:
        return text + text
    end = choices.one(colons)
    begin = text.rfind(b'"', 0, end)
    key = text[begin : end + 2]
    return text[:begin] + key + choices.one((b"null,", b'"",', b"[],", b"-1,")) + text[begin:]


def _other_encoding(choices: Choices, text: bytes) -> bytes:
    return choices.one(
        (b"\xef\xbb\xbf" + text, text.decode("utf-8", "replace").encode("utf-16"), b"<html>" + text, text + b"x", b"")
    )


def _packed(choices: Choices, text: bytes) -> bytes:
    packed = gzip.compress(text, 1)
    return choices.one((packed, packed[: len(packed) // 2], zlib.compress(text), packed[:10] + text, packed + b"tail"))


_TEXT_CHANGES: Final = (_cut, _byte, _wrong_unicode, _key_twice, _other_encoding, _packed)


def encode(message: Json) -> bytes:
    text = msgspec.json.encode(message, enc_hook=str)
    if b"@@" in text:
        for token, grammar in _TOKENS.items():
            text = text.replace(token, grammar)
    return text


class Seed:
    """One message that was really sent, ready to be changed."""

    def __init__(self, text: bytes | str) -> None:
        self.text = text.encode() if isinstance(text, str) else bytes(text)
        try:
            self.message: Json = json.loads(self.text)
        except ValueError:
            self.message = None
        self._paths = paths(self.message)

    def mutated(self, choices: Choices) -> bytes:
        """The message after at most three changes; the first answer to everything is the message as it was."""
        count = choices.pick(4)
        message, text_change = self.message, None
        for _ in range(count):
            kind = choices.pick(len(_CHANGES) * 2 + len(_TEXT_CHANGES)) // 2
            if kind >= len(_CHANGES):
                text_change = choices.one(_TEXT_CHANGES)
                continue
            change, path = _CHANGES[kind], choices.one(self._paths)
            try:
                message = replaced(message, path, lambda value, change=change: change(choices, value))
            except (LookupError, TypeError, AttributeError):
                continue  # an earlier change took that place away
        if message is self.message and text_change is None:
            return self.text
        try:
            text = encode(message)
        except (TypeError, OverflowError, ValueError, msgspec.EncodeError):
            return self.text[::-1]
        return text if text_change is None else text_change(choices, text)


def trimmed(message: Json, most: int = 3) -> Json:
    """The same with no list longer than ``most``: a short message is changed in more of its places."""
    if isinstance(message, dict):
        return {key: trimmed(value, most) for key, value in message.items()}
    if isinstance(message, list):
        return [trimmed(value, most) for value in message[:most]]
    return message
