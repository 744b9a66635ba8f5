"""A chart as a page: one file with the picture as SVG and its figures as a table; no script, nothing from outside."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fra.history.errors import FileRefused

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE: Final = """
:root { color-scheme: light; font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff }
body { margin: 0 auto; max-width: 72rem; padding: 1rem }
svg { width: 100%; height: auto }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .15rem .9rem .15rem 0; text-align: right; white-space: nowrap }
th { border-bottom: 1px solid #999; position: sticky; top: 0; background: #fff }
th:first-child, td:first-child { text-align: left }
"""


def draw(figure: Figure, out: Path, *, title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write ``figure`` to ``out``: .png, or .html with the figures as a table. Raises FileRefused for others."""
    kind = out.suffix.lower()
    if kind == ".png":
        made = io.BytesIO()
        figure.savefig(made, format="png", metadata={"Software": None})
        data = made.getvalue()
    elif kind == ".html":
        data = _page(figure, title, head, rows).encode()
    else:
        raise FileRefused(f"{out} is neither .png nor .html", cure=f"--out {out.stem}.png")
    beside = out.with_name(f".{out.name}.tmp")
    try:
        beside.write_bytes(data)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)


def _page(figure: Figure, title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    made = io.StringIO()
    figure.savefig(made, format="svg", metadata={"Date": None, "Creator": None})
    text = made.getvalue()
    picture = text[text.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style></head>\n<body>\n{picture}\n"
        f'<details open><summary>The figures</summary><div class="wide"><table>\n'
        f"<thead><tr>{cells}</tr></thead>\n<tbody>\n{lines}\n</tbody></table></div></details>\n</body></html>\n"
    )
