"""`engine test`: what it prints, its exit codes, and the snapshots it writes and deletes."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree as ET

import pytest

from tests.testing.folder import SNAPSHOT, Folder

FAILED = """\
mappings/shop.yaml .F.                                                   [100%]
___________________________________ An order ___________________________________
mappings/shop.yaml:19:36  examples[0].expect[0].add.total
  19 |       - add: { name: Order, total: 6 }
     |                                    ^
  "total" is 5, not 6.                                           [example-fails]
expected                                 actual
...                                      ...
    "add": {                                 "add": {
      "name": "Order"                          "name": "Order"
      "total": 6                       |       "total": 5
    }                                        }
  }                                        }
]                                        ]
No snapshots yet: shop. --snapshot-update writes them.
FAILED mappings/shop.yaml::An order - "total" is 5, not 6."""

CHANGED = """\
mappings/shop.yaml .F.                                                   [100%]
___________________________________ An order ___________________________________
mappings/shop.yaml:16:5  examples[0]
  The requests are not those of mappings/snapshots/shop/an-order.json. If that
  is intended: --snapshot-update
expected                                 actual
...                                      ...
        "X-Key": "***"                           "X-Key": "***"
      }                                        }
      "method": "POST"                 |       "method": "PUT"
      "query": {}                              "query": {}
      "request": "add"                         "request": "add"
...                                      ...
--------------------------- snapshot report summary ----------------------------
1 snapshot failed. 1 snapshot passed.
FAILED mappings/shop.yaml::An order - not its snapshot"""

LEFT_OVER = """\
1 snapshot of no example: mappings/snapshots/shop/old.json.
engine test --snapshot-update deletes it.
"""

PROBLEMS = """\
mappings/shop.yaml F                                                     [100%]
____________________________________ checks ____________________________________
mappings/shop.yaml:13:16  calls.track[0].request
  13 |     - request: ad
     |                ^
  Unknown request "ad".
  Did you mean add (line 10), which is otherwise unused?       [unknown-request]
FAILED mappings/shop.yaml::checks - 1 problem"""


def test_an_example_that_fails_is_shown_side_by_side(folder: Folder) -> None:
    folder.replace("add: { name: Order, total: 5 }", "add: { name: Order, total: 6 }")
    done = folder.test()
    assert (done.code, done.err) == (1, "")
    assert done.lines() == FAILED.splitlines()
    assert folder.files() == ["mappings/shop.yaml"]


def test_snapshots_are_written_compared_and_deleted(folder: Folder) -> None:
    assert "2 snapshots generated." in folder.test("--snapshot-update").lines()
    assert (folder.snapshots / "an-order.json").read_text() == SNAPSHOT
    assert sorted(path.name for path in folder.snapshots.iterdir()) == ["a-refund-all-of-it.json", "an-order.json"]

    (folder.snapshots / "a-refund-all-of-it.json").rename(folder.snapshots / "old.json")
    (folder.snapshots / "notes.txt").touch()
    done = folder.test()
    assert done.code == 1
    assert "  There is no mappings/snapshots/shop/a-refund-all-of-it.json yet.\n" in done.out
    assert "1 snapshot failed. 1 snapshot passed. 1 snapshot unused." in done.lines()
    assert done.err == LEFT_OVER

    done = folder.test("--snapshot-update")
    assert "1 snapshot passed. 1 snapshot generated. 1 unused snapshot deleted." in done.lines()
    assert sorted(path.name for path in folder.snapshots.iterdir()) == [
        "a-refund-all-of-it.json",
        "an-order.json",
        "notes.txt",
    ]


def test_all_pass_but_a_snapshot_is_left_over(folder: Folder) -> None:
    """The end says why the exit code is 1, and names the command that was typed, not pytest."""
    folder.test("--snapshot-update")
    (folder.snapshots / "old.json").touch()
    done = folder.test()
    assert (done.code, done.err) == (1, LEFT_OVER)
    assert "2 snapshots passed. 1 snapshot unused." in done.lines()
    assert "pytest" not in done.out + done.err


def test_a_request_that_is_no_longer_the_same(folder: Folder) -> None:
    folder.test("--snapshot-update")
    folder.replace("path: /add", "path: /add, method: PUT")
    (folder.snapshots / "a-refund-all-of-it.json").write_text(
        (folder.snapshots / "a-refund-all-of-it.json").read_text().replace("POST", "PUT")
    )
    done = folder.test()
    assert done.code == 1
    assert done.lines() == CHANGED.splitlines()


def test_a_snapshot_of_an_example_that_did_not_run_or_fails_stays(folder: Folder) -> None:
    folder.test("--snapshot-update")
    folder.replace("add: { name: Order, total: 5 }", "add: { name: Order, total: 6 }")
    done = folder.test("-x", "--snapshot-update")
    assert done.code == 1
    assert "unused" not in done.out.lower()
    assert len(list(folder.snapshots.iterdir())) == 2


def test_a_mapping_with_problems_is_one_failure_and_keeps_its_snapshots(folder: Folder) -> None:
    folder.test("--snapshot-update")
    folder.replace("request: add", "request: ad")
    done = folder.test("--snapshot-update")
    assert done.code == 1
    assert done.lines() == PROBLEMS.splitlines()
    assert len(list(folder.snapshots.iterdir())) == 2


def test_titles_and_results_for_programs(folder: Folder) -> None:
    done = folder.test("mappings/shop.yaml", "-v", "--junit-xml", "results.xml")
    assert re.findall(r"::(.*) PASSED", done.out) == ["checks", "An order", "A refund: all of it"]
    (suite,) = ET.parse(folder.path / "results.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "0")
    assert [case.get("name") for case in suite] == ["checks", "An order", "A refund: all of it"]


USAGE = {
    "nowhere": "Mapping file no/such.yaml does not exist.\n",
    "mistyped": "Unknown mapping slak; did you mean slack?\n",
    "no mappings": "There are no mappings (*.yaml with the key mapping: 1) in empty.\n",
    "no folder": "There is no folder named mappings here; name the mappings or folders to test.\n",
    "no example": "No example was selected.\n",
    "not words": (
        "ERROR: Wrong expression passed to '-k': an order: at column 4: expected end of input; got identifier\n\n"
        'Write words with and, or, not between them: -k "page and not alias".\n'
    ),
    "no file to write": "/dev/null is not a folder; name another file for --junit-xml.\n",
    "no folder to write into": "There is no folder made; make it first: mkdir -p made\n",
    "a mapping to write into": (
        "other/shop.yaml exists and has no test results in it: --junit-xml would replace it. Name another file.\n"
    ),
}
WORDS = {
    "nowhere": ["no/such.yaml"],
    "mistyped": ["slak"],
    "no mappings": ["empty"],
    "no folder": [],
    "no example": ["other", "-k", "nothing"],
    "not words": ["other", "-k", "an order"],
    "no file to write": ["other", "--junit-xml", "/dev/null/results.xml"],
    "no folder to write into": ["other", "--junit-xml", "made/results.xml"],
    "a mapping to write into": ["other", "--junit-xml", "other/shop.yaml"],
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage(folder: Folder, case: str) -> None:
    folder.mapping.parent.rename("other")
    (folder.path / "empty").mkdir()
    (folder.path / "empty" / "values.yaml").write_text("mapping:\n  properties: {}\n")
    done = folder.test(*WORDS[case])
    assert (done.code, done.err) == (2, USAGE[case])


def test_files_that_are_no_mappings_are_left_alone(folder: Folder) -> None:
    (folder.mapping.parent / "compose.yml").write_text("services: [\n")
    done = folder.test()
    assert done.code == 0
    assert done.err == "Left alone: 1 file without the key mapping: compose.yml.\n"


def test_a_file_that_is_named_is_taken_for_a_mapping(folder: Folder) -> None:
    folder.replace("mapping: 1\n", "")
    done = folder.test("mappings/shop.yaml")
    assert done.code == 1
    assert "[missing-key]" in done.out


def test_an_extra_that_is_missing(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytest", None)
    done = folder.test()
    assert (done.code, done.err) == (2, "engine test needs the extra \"author\": pip install 'waybill[author]'\n")
