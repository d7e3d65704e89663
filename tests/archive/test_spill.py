"""What queries put on the disk is gone after them, also after those that were killed; others keep theirs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from engine.archive.connecting import spill_folder

HOLD = """
import sys
from pathlib import Path
from engine.archive.connecting import spill_folder
with spill_folder(Path(sys.argv[1])) as path:
    Path(path, "rows").write_bytes(b"annika@example.com")
    print(path, flush=True)
    sys.stdin.read()
"""


def folders(archive: Path) -> list[str]:
    return sorted(str(path) for path in (archive / "spill").iterdir())


def test_what_a_killed_query_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        theirs = process.stdout.readline().strip()
        (tmp_path / "spill" / "compacting").mkdir()
        with spill_folder(tmp_path) as mine, spill_folder(tmp_path) as other:
            assert folders(tmp_path) == sorted([theirs, mine, other, str(tmp_path / "spill" / "compacting")])
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert Path(theirs, "rows").exists()
    with spill_folder(tmp_path) as mine:
        assert folders(tmp_path) == sorted([mine, str(tmp_path / "spill" / "compacting")])
    assert folders(tmp_path) == [str(tmp_path / "spill" / "compacting")]
