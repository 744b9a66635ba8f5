"""The Grafana dashboard asks for what there is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.resources import files

import pytest

from fra.hooks.prometheus.metrics import ROWS

DASHBOARD = json.loads(files("fra.hooks.prometheus").joinpath("dashboard.json").read_text(encoding="utf-8"))
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
METRIC = re.compile(r"\b(fra_\w+)(?:\{([^}]*)\})?")
LABEL = re.compile(r'(\w+)(?:=~|!=|=)"([^"]*)"')


@pytest.mark.parametrize("query", QUERIES)
def test_every_metric_and_label_that_it_queries_exists(query: str) -> None:
    found = METRIC.findall(query)
    assert found
    for name, matchers in found:
        assert name in ROWS
        for label, value in LABEL.findall(matchers):
            allowed = ROWS[name].labels[label]
            assert value == "$exchange" or (allowed is not None and value in allowed)


def test_labels_in_legends_and_groups_exist() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            labels = {label for name, _ in METRIC.findall(target["expr"]) for label in ROWS[name].labels}
            named = {label for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in group.split(", ")}
            named |= set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert named <= labels, panel["title"]


def test_every_metric_is_on_it() -> None:
    assert {name for query in QUERIES for name, _ in METRIC.findall(query)} == set(ROWS)


def test_its_panels_lie_beside_each_other() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_the_module_prints_it_for_import() -> None:
    command = [sys.executable, "-m", "fra.hooks.prometheus"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == DASHBOARD
