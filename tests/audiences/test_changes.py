"""Who is in beside who was sent: the changes, their order, and whom they are for."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest

from engine.audiences.changes import (
    COLUMNS,
    LONGEST_ID,
    ChangesDamaged,
    Compared,
    ComparedFiles,
    compare,
    cut_short,
    packs,
    sent_user,
    sent_users,
    write_columns,
)
from engine.events.ids import NOTHING, SPACES, is_id_text

Row = tuple[str, str | None, str | None, str | None, str | None, str]


def user(name: str, value: str = "true", person: str | None = None) -> Row:
    return (person or name, name, None, None, f"u:{name}", value)


def device(name: str) -> Row:
    return (name, None, name, None, f"a:{name}", "true")


def mail(person: str, address: str) -> Row:
    return (person, person, None, address, f"t:{address.lower()}", "true")


class Case(NamedTuple):
    members: list[Row]
    before: list[Row]
    gone: list[str]
    counts: dict[str, int]
    sent: list[str]
    added: bool = False
    left: str = "false"


CASES = {
    "a first sync": Case(
        [user("b"), user("a")], [], [], {"entered": 2, "size": 2}, ["all u:a true", "all u:b true"]
    ),
    "only who entered or left": Case(
        [user("a"), user("c")],
        [user("a"), user("b")],
        [],
        {"entered": 1, "left": 1, "unchanged": 1, "size": 2},
        ["kept u:b false", "all u:c true"],
    ),
    "nobody changed": Case([user("a")], [user("a")], [], {"unchanged": 1, "size": 1}, []),
    "all left": Case([], [user("a")], [], {"left": 1}, ["kept u:a false"]),
    "values of a computed trait": Case(
        [user("a", "1"), user("b", "2.5"), user("c", '"x"'), user("e", "[1]")],
        [user("a", "1"), user("b", "2"), user("c", '"y"'), user("d", "7")],
        [],
        {"entered": 1, "left": 1, "changed": 2, "unchanged": 1, "size": 4},
        ["kept u:d null", "all u:b 2.5", 'all u:c "x"', "all u:e [1]"],
        left="null",
    ),
    "a new connection gets all, others only what changed": Case(
        [user("a"), user("b")],
        [user("a"), user("c")],
        [],
        {"entered": 1, "left": 1, "unchanged": 1, "size": 2},
        ["kept u:c false", "all u:b true", "added u:a true"],
        added=True,
    ),
    "nothing for an id that is gone": Case(
        [user("b")], [user("a"), user("x")], ["a"], {"entered": 1, "left": 1, "merged": 1, "size": 1},
        ["kept u:x false", "all u:b true"],
    ),
    "nothing where the remaining id was sent": Case(
        [user("b")], [user("a"), user("b")], ["a"], {"unchanged": 1, "merged": 1, "size": 1}, []
    ),
    "a device that became a user": Case(
        [user("ada")], [device("d1")], ["d1"], {"entered": 1, "merged": 1, "size": 1}, ["all u:ada true"]
    ),
    "an email that changed: out of the old one first": Case(
        [mail("p", "New@x")], [mail("p", "old@x")], [], {"entered": 1, "left": 1, "size": 1},
        ["kept t:old@x false", "all t:new@x true"],
    ),
    "an email that is written otherwise": Case(
        [mail("p", "Ada@x")], [mail("p", "ada@x")], [], {"unchanged": 1, "size": 1}, []
    ),
    "two users with one email: the first of them": Case(
        [mail("p2", "a@x"), mail("p1", "A@x"), mail("p3", "a@x")], [], [],
        {"entered": 1, "same_id": 2, "size": 1}, ["all t:a@x true"],
    ),
    "a user and a device with the same id": Case(
        [user("x"), device("x")], [user("x")], [], {"entered": 1, "unchanged": 1, "size": 2}, ["all a:x true"]
    ),
    "without an id": Case(
        [("p", None, None, None, None, "true"), user("a")], [], [],
        {"entered": 1, "without_id": 1, "size": 1}, ["all u:a true"],
    ),
    "ids that are none": Case(
        [user(" "), user("NULL"), user("\u00a0undefined\t"), user("x" * (LONGEST_ID + 1)), user("y" * LONGEST_ID)],
        [], [], {"entered": 1, "wrong_id": 4, "size": 1}, [f"all u:{'y' * LONGEST_ID} true"],
    ),
    "hostile ids": Case(
        [user("'; DROP TABLE compared; --"), user('"\\'), user("\x1b[2J")], [], [],
        {"entered": 3, "size": 3},
        ["all u:\x1b[2J true", 'all u:"\\ true', "all u:'; DROP TABLE compared; -- true"],
    ),
}  # fmt: skip


def files_of(folder: Path, members: list[Row], before: list[Row] | None, gone: list[str]) -> ComparedFiles:
    found = ComparedFiles(
        folder / "members", folder / "before" if before is not None else None,
        folder / "merged" if before is not None else None, folder / "changes", folder / "sent", folder,
    )  # fmt: skip
    _write(found.members, members)
    if found.before is not None and found.merged is not None:
        _write(found.before, before or [])
        write_columns(found.merged, ["id"], [list(gone)])
    return found


def _write(path: Path, rows: list[Row]) -> None:
    write_columns(path, COLUMNS, [list(column) for column in zip(*rows, strict=True)] or [[] for _ in COLUMNS])


def ids_of(path: Path) -> list[str]:
    return sorted(row["id"] for row in pq.read_table(path).to_pylist())


@pytest.mark.parametrize("name", CASES)
def test_changes(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    files = files_of(tmp_path, case.members, case.before or None, case.gone)
    found = compare(files, value_of_left=case.left, first_syncs=case.added)
    assert found == Compared(**case.counts, total=len(case.sent))
    rows = pq.read_table(files.changes).to_pylist()
    assert [row["ordinal"] for row in rows] == list(range(len(rows)))
    assert [f"{row['scope']} {row['id']} {row['value']}" for row in rows] == case.sent
    assert len(ids_of(files.sent)) == found.size


def test_who_was_sent_when_a_run_is_cut_short(tmp_path: Path) -> None:
    before, members = [user("a"), user("b"), user("x", person="old")], [user("b"), user("c"), user("d"), user("x")]
    files = files_of(tmp_path, members, before, [])
    assert compare(files, value_of_left="false", first_syncs=False).total == 3
    for fed, sent in [(0, "a b x"), (1, "b x"), (2, "b c x"), (3, "b c d x")]:
        cut_short(files, fed)
        assert ids_of(files.sent) == [f"u:{name}" for name in sent.split()]


def test_packs_go_on_where_feeding_stopped_and_are_for_the_same_connections(tmp_path: Path) -> None:
    members = [user("a"), user("b"), user("c"), user("d")]
    files = files_of(tmp_path, members, [user("a"), user("z")], [])
    compare(files, value_of_left="false", first_syncs=True)
    found = [[f"{each.scope} {each.user_id}" for each in pack] for pack in packs(files.changes, 0, size=2)]
    assert found == [["kept z"], ["all b", "all c"], ["all d"], ["added a"]]
    assert [pack[0].ordinal for pack in packs(files.changes, 2, size=2)] == [2, 4]


def test_every_id_that_is_none_is_left_out(tmp_path: Path) -> None:
    texts = [
        *NOTHING,
        *(f"{blank}null{blank}" for blank in SPACES),
        *SPACES,
        *(f"{blank}x" for blank in SPACES),
        "nullx",
    ]
    files = files_of(tmp_path, [user(text, person=str(number)) for number, text in enumerate(texts)], None, [])
    found = compare(files, value_of_left="false", first_syncs=False)
    assert found.wrong_id == len([text for text in texts if not is_id_text(text)])


def test_what_was_sent_of_a_user(tmp_path: Path) -> None:
    files = files_of(tmp_path, [user("a", "7"), device("d")], None, [])
    compare(files, value_of_left="null", first_syncs=False)
    found = sent_user(files.sent, "a")
    assert found is not None
    assert (found.user_id, found.value) == ("a", "7")
    assert sent_user(files.sent, "b") is None
    assert [each.anonymous_id for each in sent_users(files.sent, 1)] in (["d"], [None])


@pytest.mark.parametrize("content", [None, b"", b"PAR1 half of a file"])
def test_a_damaged_file(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "changes-1.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ChangesDamaged, match=rf"^{path} cannot be read \("):
        list(packs(path, 0))
