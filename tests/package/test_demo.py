"""`make demo` works, and tells of every mapping that ships."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.package.tree import ROOT


def test_the_demo_tells_of_every_mapping() -> None:
    done = subprocess.run([sys.executable, "samples/demo.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown, rest = done.stdout.split("# all of them")
    counted, held = rest.split("\n$ engine send")
    for mapping in ROOT.glob("mappings/*.yaml"):
        assert f"\n  {mapping.stem} " in shown
        assert f"\n{mapping.stem} " in done.stderr
    assert counted.strip() == "", "the second command's records are for programs"
    assert re.findall(r"^(\w+) \(sandbox\)$", held, re.MULTILINE) == ["exponea", "extole", "user_com"]
    assert "customers, " in held
    assert "companies, " in held
