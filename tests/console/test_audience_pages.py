"""The pages of audiences: what they show, what they refuse, and that the database stays out of the console's process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from engine.audiences.run_process import RunFiles
from engine.audiences.state import AudienceState
from engine.commands.audiences.follow import NOT_GUARDED as NOT_APPROVED
from engine.commands.audiences.follow import _check_approved
from engine.commands.console import NEEDS_ARCHIVE, NO_ARCHIVE
from engine.console.audiences.asking import Desk
from engine.console.audiences.computing import NOT_DEFINED
from engine.console.audiences.defined import text_at
from engine.console.audiences.process import answer
from engine.console.audiences.running import AudienceRuns
from engine.console.charts import size_line
from engine.console.pages.audiences import CANNOT_RUN, NO_TEXT, NOT_GUARDED, NOT_THERE, UNKNOWN
from engine.console.security import NO_TOKEN, READ_ONLY
from engine.console.site import Site
from engine.deletion.archived import ArchivedPersons
from engine.deletion.beginning import begin_by_command
from engine.deletion.steps import DeletionSteps
from engine.errors import UsageError
from tests.audiences.shop import Shop
from tests.console.audience_seeding import NOW, note, seeded_shop, site_of
from tests.console.event_seeding import HOSTILE, SHOWN
from tests.console.harness import signed_in
from tests.package.tree import engine_files, imports, module_name

HTMX = {"hx-request": "true"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop that the tests only look at."""
    with closing(seeded_shop(tmp_path_factory.mktemp("shop"))) as made:
        yield made


@pytest.fixture(scope="module")
def client(shop: Shop) -> Iterator[TestClient]:
    with signed_in(site_of(shop)) as found:
        yield found


def asked(shop: Shop, ask: str, **more: Any) -> Any:
    """Ask what the process of its own is asked, in this one."""
    return answer({"ask": ask, "file": str(shop.file), "archive": str(shop.archive), "now": NOW, "copy": None, **more})


def test_the_list(client: TestClient) -> None:
    page = client.get("/audiences").text
    assert "2 definitions need a person" in page
    places = [page.index(f'href="/audiences/{key}"') for key in ("guarded_ones", "failing", "buyers", "lapsed")]
    assert places == sorted(places)
    assert "Users after 7 runs: 2 at 2026-11-29 12:00:00 UTC, 8 at 2026-11-30 11:00:00 UTC; between 1 and 8" in page
    assert "5 entered, 1 left" in page
    assert "in 20 min" in page
    assert page.count('<path class="line"') == 1


@pytest.mark.parametrize("path", ["", "/guarded_ones", "/failing", "/orders", "/buyers/live"])
def test_hostile_names_and_messages_are_text(path: str, client: TestClient) -> None:
    page = client.get(f"/audiences{path}").text
    assert "<img" not in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert SHOWN in page or path in ("/orders", "/buyers/live")


def test_one_definition(client: TestClient) -> None:
    page = client.get("/audiences/buyers").text
    assert "about: Everyone who ordered within a month." in page
    assert "- name: Lapsed" not in page
    assert "WITH counted AS" in page
    assert 'action="/audiences/buyers/run"' in page
    missing = client.get("/audiences/nobody")
    assert (missing.status_code, NOT_THERE in missing.text) == (404, True)


def test_a_preview_of_what_never_ran(shop: Shop) -> None:
    found = asked(shop, "preview", key="lapsed", integrations={"crm": "CRM"})
    assert (found["size"], found["entered"], found["total"], found["connections"]) == (1, 1, 1, ["crm"])
    assert found["users"] == [{"id": "bob", "value": "true"}]
    assert '"lapsed": true' in found["event"]
    nowhere = asked(shop, "preview", key="failing", integrations={"crm": "CRM"})
    assert (nowhere["size"], nowhere["connections"], nowhere["event"], len(nowhere["users"])) == (3, [], "", 3)
    assert not list(shop.archive.glob("audiences/.preview-*"))
    assert shop.state.runs("lapsed") == []


def test_what_cannot_be_computed(shop: Shop, tmp_path: Path) -> None:
    assert asked(shop, "preview", key="nobody", integrations={}) == {"error": NOT_DEFINED}
    bad = tmp_path / "audiences.yaml"
    bad.write_text(f"audiences:\n  - name: Bad\n    sql: SELECT {'<b>'!r} FROM nowhere\n")
    found = asked(shop, "definitions", file=str(bad))
    [problem] = found["problems"]
    assert problem.startswith(f"{bad}:3:")
    copied = asked(shop, "definitions", file=str(bad), copy=str(shop.file))
    assert (len(copied["definitions"]), copied["of_copy"], len(copied["problems"])) == (5, True, 1)


def test_a_sample(shop: Shop) -> None:
    users = asked(shop, "sample", sent=str(shop.state.sent_file("orders")))["users"]
    assert {"id": "ann", "value": "2"} in users
    assert len(users) == 3


def test_the_memberships_of_a_user(shop: Shop, client: TestClient) -> None:
    answered = client.post("/audiences/of-user", data={"user": " ann@example.com "})
    address = answered.headers["location"]
    assert answered.status_code == 303
    assert "ann" not in address
    assert 'value="ann@example.com"' in client.get(address).text
    page = client.get(address.replace("of-user?", "of-user/found?"), headers=HTMX).text
    assert "in 4 of 5 definitions" in page
    assert "/events?id=m%3C%26%3E%E2%80%AE" in page
    assert "28 d 12 h ago" in page
    nobody = asked(shop, "user", user=HOSTILE * 3)
    assert nobody == {"found": False}


@pytest.mark.parametrize(
    ("send", "status", "message"),
    [
        (lambda client: client.post("/audiences/of-user", data={"user": "  "}), 422, NO_TEXT),
        (lambda client: client.get("/audiences/of-user?person=gone"), 200, UNKNOWN),
        (lambda client: client.get("/audiences/of-user/found?person=gone"), 409, UNKNOWN),
        (lambda client: client.post("/audiences/guarded_ones/approve", data={"run": "1"}), 409, NOT_GUARDED),
        (lambda client: client.post("/audiences/buyers/approve", data={"run": "2"}), 409, NOT_GUARDED),
        (lambda client: client.post("/audiences/buyers/run", headers={"X-CSRF-Token": "stale"}), 403, NO_TOKEN),
    ],
)
def test_what_is_refused(send: Callable[[TestClient], Any], status: int, message: str, client: TestClient) -> None:
    answered = send(client)
    assert (answered.status_code, message in answered.text) == (status, True)


@pytest.mark.slow
def test_a_read_only_console_shows_commands(shop: Shop) -> None:
    with signed_in(site_of(shop, read_only=True, connections_file=None)) as client:
        page = client.get("/audiences/guarded_ones").text
        assert "Approve and send" not in page
        assert "engine audiences sync guarded_ones" in page
        refused = client.post("/audiences/guarded_ones/run")
        assert (refused.status_code, READ_ONLY in refused.text) == (403, True)


def test_a_console_without_connections_runs_nothing(shop: Shop) -> None:
    with signed_in(site_of(shop, connections_file=None)) as client:
        refused = client.post("/audiences/guarded_ones/run")
        assert (refused.status_code, CANNOT_RUN in refused.text) == (409, True)


@pytest.mark.parametrize(
    ("given", "words"), [({}, "knows no archive"), ({"archive": Path("x")}, "knows no definitions")]
)
def test_nothing_to_show(given: dict[str, Any], words: str, shop: Shop) -> None:
    with signed_in(Site(outbox_file=shop.folder / "outbox.db", **given)) as client:
        page = client.get("/audiences").text
        assert words in page
        assert "engine serve --archive DIR --audiences FILE" in page
        assert client.get("/audiences/of-user").status_code == 404


def test_an_approval_counts_once(tmp_path: Path) -> None:
    with closing(AudienceState(tmp_path)) as state:
        run = note(state, "a", NOW, state="guarded")
        _check_approved(state, "a", run.number)
        note(state, "a", NOW, state="done")
        with pytest.raises(UsageError, match=NOT_APPROVED.format(number=run.number)):
            _check_approved(state, "a", run.number)


def test_runs_are_processes_one_at_a_time(tmp_path: Path) -> None:
    files = RunFiles(tmp_path / "a", tmp_path / "b", tmp_path / "c", tmp_path / "d")
    runs = AudienceRuns(files, command=("sh", "-c", 'read line; echo "The outbox is locked: $*" >&2; exit 4', "run"))
    assert runs.start("buyers", approve=7)
    assert (runs.running, runs.start("others")) == ("buyers", False)
    process = runs._running[1]  # type: ignore[index]
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    runs.wait()
    assert (runs.running, runs.words("others")) == ("", "")
    assert runs.words("buyers").startswith("The outbox is locked: audiences run buyers --audiences ")
    assert runs.words("buyers").endswith("--approve 7")


def test_a_process_that_ends_leaves_no_members(tmp_path: Path) -> None:
    folder = tmp_path / "audiences"
    folder.mkdir()
    script = f"mkdir {folder}/.preview-$$-x {folder}/.preview-1-other; kill -9 $$"
    desk = Desk(tmp_path / "none.yaml", tmp_path, command=("sh", "-c", script))
    assert "was stopped" in str(desk.compute("preview", {})["error"])
    assert [each.name for each in folder.iterdir()] == [".preview-1-other"]


def test_the_text_of_a_definition() -> None:
    lines = ["audiences:", "  # one", "  - name: A", "    sql: |", "", "      SELECT", "  - { name: B }", "x: 1"]
    assert text_at(lines, 3, 5) == "  - name: A\n    sql: |\n\n      SELECT"
    assert text_at(lines, 7, 5) == "  - { name: B }"
    assert text_at(lines, 8, 1) == "x: 1"


def test_a_chart_of_sizes() -> None:
    assert size_line([(1.0, 5)], "one") == ""
    chart = size_line([(0.0, 0), (10.0, 4), (20.0, 2)], 'a "label" <b>')
    assert '<path class="line" d="M0.0 40.0L120.0 2.0L240.0 21.0"/>' in chart
    assert "&lt;b&gt;" in chart


@pytest.mark.slow
def test_a_user_who_was_deleted_is_on_no_page(tmp_path: Path) -> None:
    with closing(seeded_shop(tmp_path)) as shop:
        begin_by_command(shop.outbox, ["ann"], {}, NOW, suppress=False)
        assert DeletionSteps(shop.outbox, [ArchivedPersons(shop.archive)], clock=lambda: NOW).run() == 1
        assert asked(shop, "user", user="ann") == {"found": False}
        assert asked(shop, "user", user="ann@example.com") == {"found": False}
        sample = asked(shop, "sample", sent=str(shop.state.sent_file("orders")))
        assert "ann" not in {each["id"] for each in sample["users"]}
        with signed_in(site_of(shop)) as client:
            found = client.post("/events/search", data={"user": "ann"})
            assert "Nothing found" in client.get(found.headers["location"]).text
            for path in ("/deletions", "/deletions/1"):
                page = client.get(path).text
                assert "ann@example.com" not in page
                assert ">ann<" not in page
            assert "done" in page


WITHOUT_DATABASE = """
import sys
from pathlib import Path
from starlette.testclient import TestClient
from engine.console.access import access
from engine.console.app import console_app
from engine.console.site import Site

folder = Path(sys.argv[1])
site = Site(outbox_file=folder / "outbox.db", archive=folder / "archive", audiences_file=folder / "audiences.yaml")
client = TestClient(console_app(site, access("127.0.0.1", 8912, "token")), base_url="http://127.0.0.1:8912")
client.post("/login", data={"token": "token"})
for path in ("/audiences", "/audiences/buyers", "/deletions"):
    assert client.get(path).status_code == 200, path
print(sorted({"duckdb", "pyarrow"} & set(sys.modules)))
"""


def test_pages_do_not_import_what_computes() -> None:
    computes = {f"engine.console.audiences.{name}" for name in ("computing", "defined", "process")}
    for path in engine_files():
        name = module_name(path)
        if name.startswith("engine.console") and name not in computes:
            assert computes.isdisjoint(each.module for each in imports(path)), name


@pytest.mark.slow
def test_the_database_stays_out_of_the_process(shop: Shop) -> None:
    command = [sys.executable, "-c", WITHOUT_DATABASE, str(shop.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--archive", "none"], NO_ARCHIVE.format(path="none")),
        (["--audiences", "audiences.yaml"], NEEDS_ARCHIVE),
    ],
)
def test_options_of_the_console(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from engine.commands import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "audiences.yaml").write_text("audiences: []")
    with pytest.raises(SystemExit) as ended:
        main(["console", "--port", "0", *arguments])
    assert (ended.value.code, capsys.readouterr().err) == (2, f"{message}\n")
