"""Finished files: parquet and CSV, written beside and put in place whole, with what they cover."""

from __future__ import annotations

import csv
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from fra.history.errors import FileRefused
from fra.history.moments import iso
from fra.history.rows import KINDS, Cell, Kind, Row
from fra.history.series import Progress, Series

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

_FORMAT: Final = 1
_KEY: Final = b"fra.history"
_GROUP: Final = 65_536
"""Rows of a row group."""


@attrs.frozen
class Part:
    """What a file holds of one series."""

    series: Series
    progress: Progress
    rows: int


@attrs.frozen
class Contents:
    """What a file holds: its kind, and its series in the order that their rows stand in."""

    kind: Kind
    parts: tuple[Part, ...]

    def dumps(self, **more: object) -> str:
        """As it stands in the file (parquet), or beside it (CSV)."""
        parts = [{**attrs.asdict(p.series), **p.progress.fields(), "rows": p.rows} for p in self.parts]
        return json.dumps({"format": _FORMAT, "kind": self.kind.name, "series": parts, **more}, indent=1)

    @classmethod
    def loads(cls, text: str | bytes) -> Contents:
        """Raises ValueError, KeyError or TypeError for what is none."""
        data = json.loads(text)
        parts = tuple(
            Part(Series(row["exchange"], row["symbol"], row["interval"]), Progress.read(row), int(row["rows"]))
            for row in data["series"]
        )
        return cls(KINDS[data["kind"]], parts)


class HistoryFile(ABC):
    """A finished file, which may not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def contents(self) -> Contents | None:
        """What it holds; None when it is not there. Raises FileRefused when it is not one of ours, whole."""
        if not self.path.exists():
            return None
        try:
            return self._contents()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise FileRefused(
                f"{self.path} is not a file that fra history wrote, or was changed since", cure="another file"
            ) from None

    def write(self, contents: Contents, rows: Iterable[Row]) -> None:
        """Put it in place, whole; what was there until then stays until then."""
        beside = self.path.with_name(f".{self.path.name}.tmp")
        try:
            self._write(beside, contents, rows)
            with beside.open("rb") as file:
                os.fsync(file.fileno())
            beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)
        self._placed(contents)

    @abstractmethod
    def rows(self, kind: Kind) -> Iterator[Row]:
        """All rows, in the order of the file."""

    @abstractmethod
    def _contents(self) -> Contents: ...

    @abstractmethod
    def _write(self, path: Path, contents: Contents, rows: Iterable[Row]) -> None: ...

    @abstractmethod
    def _placed(self, contents: Contents) -> None:
        """The file is in place."""


class CSVFile(HistoryFile):
    """CSV with a head, an ISO ``time`` after each row's moment, nothing for unknown; what it covers is beside it."""

    @property
    def _beside(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    def _contents(self) -> Contents:
        text = self._beside.read_text(encoding="utf-8")
        if json.loads(text)["size"] != self.path.stat().st_size:
            raise ValueError("changed")
        return Contents.loads(text)

    def rows(self, kind: Kind) -> Iterator[Row]:
        with self.path.open(newline="", encoding="utf-8") as file:
            for found in csv.DictReader(file):
                yield tuple(_cell(found[name], kind.columns[name]) for name in kind.columns)

    def _write(self, path: Path, contents: Contents, rows: Iterable[Row]) -> None:
        kind = contents.kind
        after = list(kind.columns).index(kind.time) + 1
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            names = [*kind.columns]
            writer.writerow([*names[:after], "time", *names[after:]])
            for row in rows:
                texts = [_csv_text(cell) for cell in row]
                writer.writerow([*texts[:after], iso(int(row[after - 1] or 0)), *texts[after:]])

    def _placed(self, contents: Contents) -> None:
        self._beside.write_text(contents.dumps(size=self.path.stat().st_size) + "\n", encoding="utf-8")


class ParquetFile(HistoryFile):
    """Parquet in row groups of one size, zstd; what it covers stands in its metadata under ``fra.history``."""

    def _contents(self) -> Contents:
        from pyarrow import parquet

        found: Mapping[bytes, bytes] | None = parquet.read_schema(self.path).metadata
        return Contents.loads((found or {})[_KEY])

    def rows(self, kind: Kind) -> Iterator[Row]:
        from pyarrow import parquet

        with parquet.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=_GROUP, columns=list(kind.columns)):
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def _write(self, path: Path, contents: Contents, rows: Iterable[Row]) -> None:
        import pyarrow
        from pyarrow import parquet

        types = {"text": pyarrow.string(), "int": pyarrow.int64(), "bool": pyarrow.bool_()}
        fields = [pyarrow.field(name, types[kind]) for name, kind in contents.kind.columns.items()]
        schema = pyarrow.schema(fields, metadata={_KEY: contents.dumps().encode()})
        with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
            group: list[Row] = []
            for row in rows:
                group.append(row)
                if len(group) == _GROUP:
                    writer.write_table(_table(schema, group), row_group_size=_GROUP)
                    group = []
            if group:
                writer.write_table(_table(schema, group), row_group_size=_GROUP)

    def _placed(self, contents: Contents) -> None:
        """All of it is within."""


def history_file(path: Path) -> HistoryFile:
    """The file at ``path``, by its ending. Raises FileRefused for another than .parquet and .csv."""
    kinds: Mapping[str, type[HistoryFile]] = {".parquet": ParquetFile, ".csv": CSVFile}
    found = kinds.get(path.suffix.lower())
    if found is None:
        raise FileRefused(f"{path} is neither .parquet nor .csv", cure=f"--out {path.stem}.parquet")
    return found(path)


def _table(schema: pyarrow.Schema, rows: list[Row]) -> pyarrow.Table:
    import pyarrow

    columns = zip(*rows, strict=True)
    arrays = [pyarrow.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _csv_text(cell: Cell) -> str:
    return str(cell).lower() if isinstance(cell, bool) else "" if cell is None else str(cell)


def _cell(text: str, kind: str) -> Cell:
    if not text:
        return None
    return int(text) if kind == "int" else text == "true" if kind == "bool" else text
