"""Whatever a test does, no file of the user's own is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fra.core import ConfigManager


def test_the_journal_of_a_test_and_of_what_it_starts_is_in_a_folder_of_its_own(own_state: Path) -> None:
    code = "from fra.core import ConfigManager; print(ConfigManager().journal.folder)"
    command = [sys.executable, "-c", code]
    # As tests do that look at a program without the settings of whoever runs them.
    bare = {key: value for key, value in os.environ.items() if not key.startswith("FRA_")}
    started = subprocess.run(command, capture_output=True, text=True, check=True, env=bare).stdout.strip()
    folder = ConfigManager().journal.folder
    assert folder is not None
    assert folder.is_relative_to(own_state)
    assert not folder.is_relative_to(Path.home())
    assert started == str(folder)
