"""Rows go through both kinds of file unchanged, and answers are asked for again where that is right."""

import pytest

from fra.core import Banned, ExchangeConnectionError, ExchangeRateLimitError
from fra.history.asking import patiently
from fra.history.files import Contents, Part, history_file
from fra.history.rows import KLINES, missing_row
from fra.history.series import Progress, Series

SERIES = Series("okx", "BTC/USDT", "1h")


def row(number):
    money = ("0.000000010", "123456789012345678901234567890.5", "-0", "1", "2", None)
    return ("okx", "BTC/USDT", "1h", 1_700_006_400_000 + number * 3_600_000, *money, number % 3 or None, False)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("count", [0, 1, 70_000])
def test_rows_are_read_as_they_were_written(tmp_path, ending, count):
    rows = [row(number) for number in range(count)]
    rows.append(missing_row("okx", "BTC/USDT", "1h", 1_700_006_400_000 + count * 3_600_000))
    contents = Contents(KLINES, (Part(SERIES, Progress(1, 2, (3,)), len(rows)),))
    file = history_file(tmp_path / f"x.{ending}")
    file.write(contents, rows)
    assert list(file.rows(KLINES)) == rows
    assert file.contents() == contents


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_that_cannot_be_finished_leaves_the_one_before(tmp_path, ending):
    contents = Contents(KLINES, (Part(SERIES, Progress(1, 2, (3,)), 1),))
    file = history_file(tmp_path / f"x.{ending}")
    file.write(contents, [row(1)])
    before = file.path.read_bytes()

    def breaks():
        yield row(2)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        file.write(contents, breaks())
    assert file.path.read_bytes() == before
    assert {path.suffix for path in tmp_path.iterdir()} <= {f".{ending}", ".json"}


async def test_at_a_limit_it_is_asked_again_after_the_time_that_the_venue_says():
    asked = []

    async def question():
        asked.append(1)
        if len(asked) < 4:
            raise ExchangeRateLimitError("slowly", retry_after=0.001)
        return ["answer"]

    assert await patiently(question) == ["answer"]


@pytest.mark.parametrize(
    "error", [Banned("out", retry_after=0.001), ExchangeRateLimitError("slowly", retry_after=3600.0)], ids=type
)
async def test_a_ban_or_a_long_wait_is_told_at_once(error):
    asked = []

    async def question():
        asked.append(1)
        raise error

    with pytest.raises(type(error)):
        await patiently(question)
    assert len(asked) == 1


async def test_a_cut_connection_is_tried_again():
    asked = []

    async def question():
        asked.append(1)
        if len(asked) == 1:
            raise ExchangeConnectionError("cut")
        return []

    assert await patiently(question) == []
