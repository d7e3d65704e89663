"""`engine outbox replay`: which connections are meant, what judges their events, and what is said of each."""

from __future__ import annotations

import asyncio
import io
import re
import shutil
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from engine.commands import main, options
from engine.commands.outbox.judges import Judges
from engine.commands.outbox.replay import set_aside
from engine.commands.output.replays import ReplayDecision, event_lines
from engine.commands.output.text import Display, local_time
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.intake import iso
from engine.delivery.outbox.base import Change, Chosen, Listed, NewEvent
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.replaying import MOST_GROUPS, OTHER, Preview, RequestLine, grouped, preview, stored
from engine.delivery.supervisor import Delivery
from engine.plan import load
from engine.records import JsonObject, Outcome
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.vendor import QUICK, Answer, Request, Vendor, event, fine, shop

OURS = """
mapping: 1
name: user_com
title: Ours
settings: { key: { title: Key, type: string, secret: true, sent_in: url, example: our-key } }
http: { base_url: "https://crm.example.com/${settings.key}" }
requests: { note: { path: "/notes/${userId}" } }
calls:
  track: [{ request: note, fields: { name: event } }]
  identify: [{ request: note, fields: { name: userId } }, { request: note, fields: { name: userId } }]
"""
CORRECTED = OURS.replace('note: { path: "/notes/', 'note: { path: "/v2/notes/')
CONNECTIONS = """
shop: { destination: ours/small.yaml, settings: { key: third-secret } }
user_com: { destination: ours/user_com.yaml, settings: { key: first-secret } }
crm: { destination: ours/user_com.yaml, settings: { key: "${env:CRM_KEY}" }, calls: [track], when: "userId != 'robot'" }
off: { destination: extole, enabled: false, settings: { api_key: k } }
"""
EVENTS: list[JsonObject] = [
    {"type": "track", "messageId": "m1", "userId": "u1", "event": "Signed Up"},
    {"type": "track", "messageId": "m2", "userId": "u1"},
    {"type": "identify", "messageId": "m3", "userId": "u2", "traits": {"n": 1}},
    {"type": "track", "messageId": "m4", "userId": "robot", "event": "Signed Up"},
]
NOW = 1_700_000_000.0
SINCE = local_time(NOW)
NAMES = ("exponea", "shop", "user_com", "crm", "off", "gone")


def write_outbox(path: Path, names: tuple[str, ...], count: int = len(EVENTS)) -> None:
    """Make an outbox in which each connection has had every event refused."""
    with closing(SqliteOutbox(path)) as outbox:
        found = [NewEvent("s", str(each["messageId"]), iso(NOW), orjson.dumps(each)) for each in EVENTS[:count]]
        outbox.take_in(found, names, NOW)
        for name in names:
            fence = outbox.lease(name, "test", NOW, 10.0)
            assert fence is not None
            reason, error = "the vendor answered 400", "\x1b[2Jno"
            rows = outbox.waiting(name, 0, 9)
            outbox.write(name, fence, [Change(row.place, Outcome.REJECTED, reason, error) for row in rows], NOW)
            outbox.release(name, "test")


@pytest.fixture(scope="module")
def refused(tmp_path_factory) -> Path:
    """An outbox of six connections that had every event refused, made once."""
    path: Path = tmp_path_factory.mktemp("refused") / "outbox.db"
    write_outbox(path, NAMES)
    return path


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRM_KEY", "second-secret")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "user_com.yaml").write_text(OURS)
    (tmp_path / "ours" / "small.yaml").write_text(OURS.replace("name: user_com", "name: small"))
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "user_com.yaml").write_text(CORRECTED)
    (tmp_path / "other.yaml").write_text(CORRECTED.replace("name: user_com", "name: other"))
    (tmp_path / "connections.yaml").write_text(CONNECTIONS)
    return tmp_path


@pytest.fixture
def replay(capsys):
    def run(words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["outbox", "replay", *words.split()])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def waiting(path: Path = Path("outbox.db")) -> dict[str, list[str]]:
    with closing(SqliteOutbox(path)) as outbox:
        found = {
            row.name: [each.message_id for each in outbox.waiting(row.name, 0, 99)] for row in outbox.connections()
        }
        return {name: ids for name, ids in found.items() if ids}


def test_a_mapping_of_ones_own_never_judges_or_queues_the_events_of_another_destination(here, replay) -> None:
    """It did: `--mapping ours/user_com.yaml` queued an event of exponea again, since it became a request by it."""
    write_outbox(here / "outbox.db", ("exponea", "user_com"))
    assert replay("--mapping ours/user_com.yaml --example-settings") == (0, OURS_REPLAYED, "")
    assert waiting() == {"user_com": ["m1", "m3", "m4"]}


OURS_REPLAYED = """\
user_com is judged by the mapping ours/user_com.yaml (user_com).
user_com: 3 events queued again, 1 left out.
  left out: 1 x invalid: no event: a track call must name what happened
                (event_not_defined)
They are planned again when they are sent: deliver with ours/user_com.yaml from now on.
"""
MEANT = {
    "": {name: ["m1", "m2", "m3", "m4"] for name in NAMES},
    "--connection shop": {"shop": ["m1", "m2", "m3", "m4"]},
    "m1 --connection shop": {"shop": ["m1"]},
    "--mapping ours/user_com.yaml --set key=k": {"user_com": ["m1", "m3", "m4"]},
    "--mapping ours/user_com.yaml --set key=k --connection crm": {"crm": ["m1", "m3", "m4"]},
    "--mapping exponea --example-settings": {"exponea": ["m1", "m3", "m4"]},
    "m1 m2 --mapping ours/user_com.yaml --set key=k": {"user_com": ["m1"]},
    "--connections connections.yaml": {
        "shop": ["m1", "m3", "m4"],
        "user_com": ["m1", "m3", "m4"],
        "crm": ["m1"],
    },
    "--connections connections.yaml --connection crm": {"crm": ["m1"]},
    "--connections connections.yaml --mapping new/user_com.yaml": {"user_com": ["m1", "m3", "m4"], "crm": ["m1"]},
    "--connections connections.yaml --mapping new/user_com.yaml --connection crm": {"crm": ["m1"]},
    "--connections connections.yaml --mapping other.yaml --connection crm": {"crm": ["m1"]},
    "m1 m4 --connections connections.yaml --mapping new/user_com.yaml": {"user_com": ["m1", "m4"], "crm": ["m1"]},
    "m4 --connections connections.yaml --connection crm": {},
}


@pytest.mark.parametrize("words", MEANT)
def test_only_the_connections_that_are_meant_are_queued_and_a_dry_run_queues_none(here, replay, refused, words) -> None:
    shutil.copy(refused, here)
    code, out, err = replay(f"{words} --dry-run")
    assert (err, waiting()) == ("", {})
    assert max(map(len, out.splitlines())) <= 80
    assert ("secret" in out, "\x1b" in out) == (False, False)
    assert replay(words)[0::2] == (code, "")
    assert waiting() == {name: MEANT[words][name] for name in sorted(MEANT[words])}


UNCLEAR = {
    "--mapping other.yaml --set key=k": (
        "Which connection is other.yaml for? This outbox has none with its name, other; it has crm, exponea, gone, off, "
        "shop, user_com. Add --connection NAME, or --connections FILE with the file that says so.\n"
    ),
    "--connections connections.yaml --mapping other.yaml": (
        "Which connection is other.yaml for? connections.yaml has none with its mapping, other; it has shop (small), "
        "user_com (user_com), crm (user_com). Add --connection NAME.\n"
    ),
    "--connections connections.yaml --mapping slack": (
        "Which connection is slack for? connections.yaml has none with its mapping, slack; it has shop (small), "
        "user_com (user_com), crm (user_com). Add --connection NAME.\n"
    ),
    "--connections connections.yaml --connection gone": (
        "connections.yaml has no connection gone. Available: shop, user_com, crm.\n"
    ),
    "--connections connections.yaml --connection off": (
        "off is disabled in connections.yaml, so nothing delivers to it; enable it there first.\n"
    ),
    "--connections connections.yaml --connection shap": ("This outbox has no connection shap. Did you mean shop?\n"),
    "--connections connections.yaml --set key=k": (
        "--connections cannot be combined with --settings, --set and --example-settings; the file has the settings.\n"
    ),
    "--connections connections.yaml --mapping new/user_com.yaml --example-settings": (
        "--connections cannot be combined with --settings, --set and --example-settings; the file has the settings.\n"
    ),
    "--set key=k": (
        "Settings and --mappings are about a mapping: add --mapping MAPPING, or --connections FILE, which has its own.\n"
    ),
    "--limit 5": "--limit and --format are about --dry-run: add it.\n",
    "--format ndjson": "--limit and --format are about --dry-run: add it.\n",
    "m1 --only-rejected": "--only-rejected chooses among all events; leave it out where IDs name them.\n",
    "m1 nobody 77": (
        "There is no event nobody in this outbox; engine outbox list shows the events. A purged event cannot be "
        "replayed.\nThere is no event 77 in this outbox; engine outbox list shows the events. A purged event cannot be "
        "replayed.\n"
    ),
    "m1 --since 1h": "Event m1 does not match the other options; engine outbox show m1 shows it.\n",
    "m1 --since 1h --connection shop": (
        "Event m1 is not of shop, or does not match the other options; engine outbox show m1 shows it.\n"
    ),
    "--mapping ours/user_com.yaml --connection crm": (
        "Invalid settings for Ours:\n  Key (key) is not set.\nGive them with --settings, --set or "
        "--example-settings, or name the --connections FILE that has them.\n"
    ),
    "--mapping none.yaml": "Mapping file none.yaml does not exist.\n",
}


@pytest.mark.parametrize("words", UNCLEAR)
def test_what_is_not_clear_is_wrong_usage_and_queues_nothing(here, replay, refused, words) -> None:
    shutil.copy(refused, here)
    assert replay(words) == (2, "", UNCLEAR[words])
    assert waiting() == {}


DRY = f"""\
crm is judged by the mapping new/user_com.yaml (user_com) instead of its own in
connections.yaml.
event 1  m1  crm
  was: rejected since {SINCE}: the vendor answered 400 | \\u001b[2Jno
  now: planned, 1 request: POST /***/v2/notes/u1
event 2  m2  crm
  was: rejected since {SINCE}: the vendor answered 400 | \\u001b[2Jno
  now: invalid: no event: a track call must name what happened
       (event_not_defined)
event 3  m3  crm
  was: rejected since {SINCE}: the vendor answered 400 | \\u001b[2Jno
  now: ignored: the connection crm takes no identify calls
1 more event not shown; --limit N shows more.
crm: 1 event would be queued again, 3 left out.
  was rejected: the vendor answered 400 (4)
      -> ignored (2), planned (1), invalid (1)
  left out: 1 x ignored: the connection crm takes no identify calls
  left out: 1 x ignored: the connection's `when` is not met: userId != 'robot'
  left out: 1 x invalid: no event: a track call must name what happened
                (event_not_defined)
"""


def test_a_dry_run_shows_what_events_were_and_would_become(here, replay, refused) -> None:
    shutil.copy(refused, here)
    words = "--dry-run --connections connections.yaml --mapping new/user_com.yaml --connection crm --limit 3"
    assert replay(words) == (0, DRY, "")


LEFT = """\
crm: 1 event queued again, 3 left out.
  left out: 1 x ignored: the connection crm takes no identify calls
  left out: 1 x ignored: the connection's `when` is not met: userId != 'robot'
  left out: 1 x invalid: no event: a track call must name what happened
                (event_not_defined)
exponea: 0 events queued again, 4 left out.
  left out: 4 x connections.yaml has no connection exponea
gone: 0 events queued again, 4 left out.
  left out: 4 x connections.yaml has no connection gone
off: 0 events queued again, 4 left out.
  left out: 4 x off is disabled in connections.yaml
shop: 3 events queued again, 1 left out.
  left out: 1 x invalid: no event: a track call must name what happened
                (event_not_defined)
user_com: 3 events queued again, 1 left out.
  left out: 1 x invalid: no event: a track call must name what happened
                (event_not_defined)
7 events queued again.
"""


def test_a_replay_says_what_was_queued_and_why_others_were_left_out(here, replay, refused) -> None:
    shutil.copy(refused, here)
    assert replay("--connections connections.yaml") == (0, LEFT, "")


def test_a_dry_run_for_programs_has_all_events_and_speaks_on_standard_error(here, replay) -> None:
    write_outbox(here / "outbox.db", ("user_com",), 2)
    code, out, err = replay("--mapping ours/user_com.yaml --set key=my-secret --dry-run --format ndjson")
    was = {"outcome": "rejected", "reason": "the vendor answered 400", "error": "\x1b[2Jno", "since": iso(NOW)}
    no_event = "no event: a track call must name what happened (event_not_defined)"
    sent = [{"method": "POST", "path": "/***/notes/u1"}]
    both = {"accepted": [], "sentAgain": 0}
    assert (code, [orjson.loads(line) for line in out.splitlines()]) == (
        0,
        [
            {
                "event": 1,
                "messageId": "m1",
                "connection": "user_com",
                "queued": True,
                "why": "",
                "was": was,
                "now": {"outcome": "planned", "reason": "1 request", "requests": sent} | both,
            },
            {
                "event": 2,
                "messageId": "m2",
                "connection": "user_com",
                "queued": False,
                "why": f"invalid: {no_event}",
                "was": was,
                "now": {"outcome": "invalid", "reason": no_event, "requests": []} | both,
            },
        ],
    )
    assert err.startswith("user_com is judged by the mapping ours/user_com.yaml (user_com).\nuser_com: 1 event would")
    out = replay("--dry-run --format ndjson --limit 1")[1]
    assert [orjson.loads(line)["now"] for line in out.splitlines()] == [None]


UNJUDGED = f"""\
event 1  m1  shop
  was: rejected since {SINCE}: the vendor answered 400 | \\u001b[2Jno
shop: 1 event would be queued again.
Add --connections FILE or --mapping MAPPING to see what they would become.
"""


def test_a_dry_run_without_a_judge_says_what_would_judge(here, replay) -> None:
    write_outbox(here / "outbox.db", ("shop",), 1)
    assert replay("--dry-run") == (0, UNJUDGED, "")
    with closing(SqliteOutbox(here / "outbox.db")) as outbox:
        outbox.replay([row.place for row in outbox.listed(Chosen(), 0, 9)], "again", NOW)
    assert replay("--dry-run") == (0, "0 events would be queued again.\n", "")


NAMED = """\
event 1  m1  shop  not queued: it is still waiting
crm: 2 events queued again.
shop: 1 event queued again, 1 left out.
  left out: 1 x it is still waiting
3 events queued again.
"""


def test_an_event_that_is_named_and_not_queued_is_code_1(here, replay) -> None:
    write_outbox(here / "outbox.db", ("shop", "crm"), 2)
    assert replay("m1 --connection shop") == (0, "shop: 1 event queued again.\n", "")
    assert replay("m1 2") == (
        1,
        NAMED,
        "",
    )


def test_a_connection_that_is_held_or_paused_is_named_with_what_resumes_it(here, replay) -> None:
    write_outbox(here / "o.db", ("shop", "crm", "old"), 1)
    with closing(SqliteOutbox(here / "o.db")) as outbox:
        outbox.hold("shop", "the vendor answered 401", "", NOW)
        outbox.pause("crm", 4_000_000_000.0, "the vendor answered 503.")
        outbox.pause("old", NOW, "over")
    code, out, _ = replay("--outbox o.db")
    assert (code, out.split("\n", 4)[4]) == (0, HELD)
    code, out, _ = replay("m1 --outbox o.db --connection shop --dry-run")
    assert (code, re.sub(r"since [-0-9]+ [:0-9]+: q", "since {}: q", out)) == (1, WAITS)


WAITS = f"""\
event 1  m1  shop
  was: held since {{}}: queued again by a person
  now: not queued: it is still waiting
shop: 0 events would be queued again, 1 left out.
  left out: 1 x it is still waiting
shop has been held since {SINCE}, so its events wait. Once the cause is fixed, run: engine outbox resume shop --outbox o.db
"""
HELD = (
    f"crm is paused, so its events wait: the vendor answered 503. Next try: {local_time(4_000_000_000.0)}, or at once "
    f"with: engine outbox resume crm --outbox o.db\nshop has been held since {SINCE}, so its events wait. Once the cause "
    "is fixed, run: engine outbox resume shop --outbox o.db\n"
)


def test_half_done_events_show_what_is_not_sent_again(tmp_path) -> None:
    """And under another mapping that all is, as the replay itself then does."""

    def answer(request: Request) -> Answer:
        return Answer(400, "not yet") if request.path == "/use/k1" else fine(request)

    async def story() -> None:
        outbox = MemoryOutbox()
        async with Vendor(answer) as vendor:
            outbox.take_in([event(1, call="group")], ["shop"], 1.0)
            await Delivery(outbox, [shop(tmp_path, vendor.url)], QUICK).run()
            found = stored(outbox, outbox.listed(Chosen(), 0, 9))
            [same] = preview(found, shop(tmp_path, vendor.url), 2.0)
            assert (same.outcome, same.sent_again) == (Outcome.PLANNED, 0)
            assert same.requests == (RequestLine("POST", "/use/k1"),)
            assert same.accepted == (RequestLine("POST", "/find/u1"),)
            [other] = preview(found, shop(tmp_path, vendor.url, max_items=6), 2.0)
            assert (len(other.requests), other.accepted, other.sent_again) == (2, (), 1)

    asyncio.run(story())


POST = RequestLine("POST", "/notes/u1")
USED = RequestLine("PUT", f"/{'x' * 70}")
SHOWN = {
    "planned, 2 requests: 2 x POST /notes/u1": {"requests": (POST, POST)},
    "planned: nothing is left to send\n       accepted before, not sent again: POST /notes/u1": {"accepted": (POST,)},
    "planned, 2 requests: POST /notes/u1, PUT\n       /" + "x" * 58 + "…\n"
    "       1 request was accepted under another mapping; all are sent again": {
        "requests": (POST, USED),
        "sent_again": 1,
    },
    "planned, 7 requests: POST /0, POST /1, POST /2, POST /3, POST /4 and 2\n       more\n"
    "       3 requests were accepted under another mapping; all are sent again": {
        "requests": tuple(RequestLine("POST", f"/{number}") for number in range(7)),
        "sent_again": 3,
    },
}


@pytest.mark.parametrize("text", SHOWN)
def test_requests_are_shown_by_method_and_path_with_what_was_accepted(text) -> None:
    row = listed("refused", NOW)
    planned = Preview(row, Outcome.PLANNED, "2 requests", **SHOWN[text])
    lines = "\n".join(event_lines(Display(io.StringIO()), ReplayDecision(row, queued=True, preview=planned)))
    assert lines == f"event 1  m  shop\n  was: rejected since {SINCE}: refused\n  now: {text}"


def test_what_is_purged_or_queued_meanwhile_has_no_preview() -> None:
    outbox = MemoryOutbox()
    outbox.take_in([event(1)], ["shop"], 1.0)
    [row] = outbox.listed(Chosen(), 0, 9)
    assert len(stored(outbox, [row, row._replace(place=77)])) == 1


def test_what_is_refused_again_while_others_are_queued_is_not_queued_again(monkeypatch) -> None:
    """Or a replay beside a running delivery would never end."""
    monkeypatch.setattr(options, "CHUNK", 2)
    outbox = MemoryOutbox()
    outbox.take_in([event(number) for number in range(5)], ["shop"], 1.0)
    refuse_all(outbox)
    found = []
    for row in set_aside(outbox, Chosen(outcomes=(Outcome.REJECTED,)), Judges()):
        found.append(row.message_id)
        outbox.replay([row.place], "again", 2.0)
        refuse_all(outbox)
    assert found == ["m0", "m1", "m2", "m3", "m4"]


def refuse_all(outbox: MemoryOutbox) -> None:
    fence = outbox.lease("shop", "test", 1.0, 10.0)
    assert fence is not None
    changes = [Change(row.place, Outcome.REJECTED, "no") for row in outbox.waiting("shop", 0, 99)]
    outbox.write("shop", fence, changes, 1.0)


def listed(reason: str, changed_at: float, connection: str = "shop") -> Listed:
    return Listed(1, "m", "s", connection, Outcome.REJECTED, reason, "", changed_at, 1)


def test_events_are_grouped_by_connection_and_kind_of_reason() -> None:
    rows = [listed('"a" is no time', 3.0), listed('"b" is no time', 1.0), listed("refused", 2.0, "crm")]
    found = [(each.key.connection, each.reason, each.events, each.first, each.last) for each in grouped(rows)]
    assert found == [("crm", "refused", 1, 2.0, 2.0), ("shop", '"a" is no time', 2, 1.0, 3.0)]
    assert [each.varied for each in grouped(rows)] == [False, True]


def test_of_reasons_without_end_the_rest_is_counted_together() -> None:
    groups = grouped(listed(f"reason {number}", 1.0) for number in range(MOST_GROUPS + 5))
    assert len(groups) == MOST_GROUPS + 1
    assert (groups[0].reason, groups[0].events, groups[0].varied) == (OTHER, 5, False)


@pytest.mark.parametrize("raw", [b"\xff", b"[]", b"{}", b'{"type":"track","event":"\\u202e","userId":{"a":[1]}}'])
def test_hostile_events_have_an_outcome_and_end_no_preview(tmp_path, raw) -> None:
    outbox = MemoryOutbox()
    outbox.take_in([NewEvent("s", "\x1b]0;", iso(NOW), raw)], ["webhook"], NOW)
    target = load("webhook")
    judge = ConfiguredConnection(name="webhook", connection=target.connect(target.example_settings()))
    [found] = preview(stored(outbox, outbox.listed(Chosen(), 0, 9)), judge, NOW)
    assert (found.outcome, found.requests) == (Outcome.INVALID, ())


NOTHING = {
    "--user nobody": (
        "0 events queued again.\n"
        "No event was found.\n"
        "--user looks at userId, anonymousId, previousId, groupId and the emails of traits: the whole text, in any case.\n"
        "Without IDs, replay is about rejected and invalid events; engine outbox list finds all.\n"
    ),
    "--user nobody --type track --dry-run": (
        "0 events would be queued again.\n"
        "No event was found.\n"
        "--user nobody alone finds 0 events.\n"
        "--user looks at userId, anonymousId, previousId, groupId and the emails of traits: the whole text, in any case.\n"
        "--type track alone finds 18 events.\n"
        "Without IDs, replay is about rejected and invalid events; engine outbox list finds all.\n"
    ),
}


@pytest.mark.parametrize("words", NOTHING)
def test_a_replay_that_finds_nothing_says_what_each_option_finds(here, replay, refused, words) -> None:
    shutil.copy(refused, here)
    assert replay(words)[:2] == (0, NOTHING[words])
