"""What machines read: a schema with its version, exact numbers, null for unknown."""

import json
from datetime import timedelta
from decimal import Decimal

from fra.cli import json_lines
from fra.core import ExchangeAPIError, Side


def test_decimals_are_strings_without_exponents():
    assert json.loads(json_lines.dumps("x/1", price=Decimal("1E-7")))["price"] == "0.0000001"


def test_the_unknown_is_null():
    assert json.loads(json_lines.dumps("x/1", price=None))["price"] is None


def test_the_schema_has_a_name_and_a_version():
    assert json.loads(json_lines.dumps("x/1"))["schema"] == "fra.x/1"


def test_it_is_one_line():
    assert "\n" not in json_lines.dumps("x/1", text="a\nb")


def test_enums_and_durations_are_plain():
    line = json.loads(json_lines.dumps("x/1", side=Side.BUY, interval=timedelta(hours=8)))
    assert (line["side"], line["interval"]) == ("buy", 28_800)


def test_an_error_says_what_and_what_to_do():
    error = ExchangeAPIError("no such symbol", code=-1121, cure="fra funding", exchange="binance")
    assert json_lines.error_fields(error) == {
        "exchange": "binance",
        "error": "ExchangeAPIError",
        "message": "no such symbol",
        "code": "-1121",
        "cure": "fra funding",
    }
