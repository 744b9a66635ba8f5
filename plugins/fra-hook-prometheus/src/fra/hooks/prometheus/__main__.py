"""``python -m fra.hooks.prometheus`` prints the Grafana dashboard, for Grafana's *Import*."""

from importlib.resources import files

print(files("fra.hooks.prometheus").joinpath("dashboard.json").read_text(encoding="utf-8"), end="")  # noqa: T201
