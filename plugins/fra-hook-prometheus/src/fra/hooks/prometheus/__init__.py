"""Metrics of fra for Prometheus: a hook package that stands on the public hookspecs alone."""

from fra.hooks.prometheus.hook import Prometheus
from fra.hooks.prometheus.options import PrometheusOptions

__all__ = ["Prometheus", "PrometheusOptions"]
