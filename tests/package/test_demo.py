"""`make demo` and `make demo-scale` work; the first tells of every mapping that ships."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from samples import demo
from tests.package.tree import ROOT


def test_the_demo_begins_with_what_every_mapping_makes(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    mappings = [mapping.stem for mapping in ROOT.glob("mappings/*.yaml")]
    assert demo.some_in_full(mappings) in (0, demo.FOUND_INVALID)
    shown = capfd.readouterr().out
    assert shown.startswith(f"\n{demo.INTRODUCTION}\n\n$ sed -n '")
    assert [name for name in mappings if f"\n  {name} " not in shown] == []


@pytest.mark.slow  # its parts: the pages of docs, tests/collector/test_clients.py, tests/audiences/test_sync_page.py
def test_the_demo_tells_of_every_mapping() -> None:
    done = subprocess.run([sys.executable, "samples/demo.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown, rest = done.stdout.split(demo.COUNTED)
    counted, way = rest.split(demo.SERVED)
    calls, ended = way.split(demo.ENDED)
    held, audience = ended.split(demo.COMPUTED)
    assert done.stdout.rstrip().endswith(demo.CONSOLE)
    for mapping in ROOT.glob("mappings/*.yaml"):
        assert f"\n  {mapping.stem} " in shown
        assert f"\n{mapping.stem} " in done.stderr
    assert "{" not in counted, "the second command's records are for programs"
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert re.findall(r"^(\w+) \(sandbox\)$", held, re.MULTILINE) == ["exponea", "extole", "user_com"]
    assert re.findall(r"answered (\d+)$", calls, re.MULTILINE) == ["200"] * len(list(demo.sample_files()))
    # One person, three sides of her: as a visitor, signed up, on her phone.
    assert re.search(r"^    ids \(.*registered ada.*\), properties \(email ada@", held, re.MULTILINE)
    assert re.search(r"^    id \d+, email ada@example.com, partner_user_id ada, ", held, re.MULTILINE)
    assert re.search(r"^    id \d+, custom_id ada, email ada@example.com, ", held, re.MULTILINE)
    assert re.search(r"^    id \d+, custom_id engines, name Analytical Engines, ", held, re.MULTILINE)
    assert re.search(r"^    user \d+, name Parcel Tracked, .*data \(order_id o-1\)$", held, re.MULTILINE)
    assert "\norder_completed_last_30days: 2 entered, 0 left" in audience
    assert re.search(r"^    id 1, custom_id cust-287120, order_completed_last_30days true, ", audience, re.MULTILINE)


@pytest.mark.slow  # the same with other numbers: tests/stream/test_chaos.py
def test_the_demo_of_many_machines_loses_nothing() -> None:
    command = [sys.executable, "samples/demo_scale.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"answered 200 +20,000\n +delivered +20,000\n +lost +0\n", done.stdout), done.stdout
    assert re.search(r"out of order +0 ", done.stdout), done.stdout
    assert done.stderr == ""
