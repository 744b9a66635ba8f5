"""What OKX once answered, played to `fra compare`: native and ccxt read the same recording the same way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMPARE = (sys.executable, "-m", "fra.core.main", "compare", "okx", "okx_ccxt")


@pytest.mark.skipif("FRA_FIXTURES" not in os.environ, reason="FRA_FIXTURES does not name the folder of recorded data")
def test_a_recording_of_okx_is_read_alike(tmp_path: Path) -> None:
    recordings = Path(os.environ["FRA_FIXTURES"]) / "recordings" / "okx"
    command = [sys.executable, "-m", "fra.emulator", "okx", "--play", str(recordings), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as played:
        try:
            assert played.stdout is not None
            lines = ["[exchanges.okx]"]
            for market, urls in json.loads(played.stdout.readline())["markets"].items():
                lines += [f"[exchanges.okx.base_url.{market}]", *(f"{kind} = {url!r}" for kind, url in urls.items())]
            config = tmp_path / "fra.toml"
            config.write_text("\n".join(lines))
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "fra.core.main",
                    "compare",
                    "okx",
                    "okx_ccxt",
                    "--config",
                    str(config),
                    "--json",
                ],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            played.terminate()
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row for row in rows if row["schema"] == "fra.compare.difference/1" and row["rule"] is None] == []
    assert done.returncode == 0, done.stderr
    assert rows[-1]["fields"] > 1_000
