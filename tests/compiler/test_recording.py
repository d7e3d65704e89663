"""Recording is the same emitter with a recorder: everything an author may ask about is noted, in the order it happens.

That it changes nothing is shown in test_optimizations.py, with samples and changed events.
"""

from __future__ import annotations

from engine.compiler.recording import Recorder
from engine.plan import Destination
from engine.records import Json
from tests.runners import load

MAPPING = """
mapping: 1
name: case
title: Case
about: A mapping of a test.
docs: https://example.com
settings:
  api_key: { title: API Key, type: string, secret: true, sent_in: body, example: k3y }
http: { base_url: "https://api.example.com" }
requests: { send: { path: /send } }
parts:
  who: [userId, anonymousId]
calls:
  track:
    - request: send
      when: "properties.size == 'big' || properties.gift"
      fields:
        id: parts.who
        key: { from: settings.api_key, as: sha256 }
        email: [properties.email, context.traits.email]
        size: { from: properties.size, as: [lowercase, integer], default: 0 }
        items: { each: properties.items, where: item.sku, value: { text: "${item.sku}!" } }
"""
EVENT: dict[str, Json] = {
    "type": "track",
    "event": "Tested",
    "anonymousId": "a1",
    "timestamp": "2024-01-02T03:04:05Z",
    "context": {"traits": {"email": "a@example.com"}},
    "properties": {"size": "big", "email": " ", "items": [{"sku": "s1"}, {}]},
}
EXPECTED = """
step calls.track.0 send: None
read calls.track.0.when properties.size: 'big'
read calls.track.0.when properties.gift: None
condition calls.track.0.when properties.size == 'big' || properties.gift: True
read parts.who.0 userId: None
read parts.who.1 anonymousId: 'a1'
value parts.who : 'a1'
read calls.track.0.fields.id parts.who: 'a1'
value calls.track.0.fields.id : 'a1'
read calls.track.0.fields.key.from settings.api_key: '***'
value calls.track.0.fields.key.from : '***'
function calls.track.0.fields.key.as.0 sha256: '***'
word calls.track.0.fields.key.as as: '***'
value calls.track.0.fields.key : '***'
read calls.track.0.fields.email.0 properties.email: ' '
value calls.track.0.fields.email : ' '
read calls.track.0.fields.size.from properties.size: 'big'
value calls.track.0.fields.size.from : 'big'
function calls.track.0.fields.size.as.0 lowercase: 'big'
word calls.track.0.fields.size.as as: None
word calls.track.0.fields.size.default default: 0
value calls.track.0.fields.size : 0
read calls.track.0.fields.items.each properties.items: [{'sku': 's1'}, {}]
value calls.track.0.fields.items.each : [{'sku': 's1'}, {}]
round calls.track.0.fields.items.each : 0
condition calls.track.0.fields.items.where item.sku: True
read calls.track.0.fields.items.value.text item.sku: 's1'
value calls.track.0.fields.items.value : 's1!'
round calls.track.0.fields.items.each : 1
condition calls.track.0.fields.items.where item.sku: False
value calls.track.0.fields.items : ['s1!']
value calls.track.0 : {'id': 'a1', 'key': '***', 'email': ' ', 'size': 0, 'items': ['s1!']}
request calls.track.0 send: {'id': 'a1', 'key': '***', 'email': ' ', 'size': 0, 'items': ['s1!']}
"""


def test_what_is_recorded() -> None:
    target = Destination(load(MAPPING), Recorder())
    target.connect({"api_key": "k3y"}).plan(EVENT)
    assert target.recorder is not None
    noted = [
        f"{site.kind} {'.'.join(map(str, site.place))} {site.detail}: {value!r}"
        for site, value in target.recorder.taken()
    ]
    assert "\n".join(noted) == EXPECTED.strip()


def test_a_paused_recorder_notes_nothing() -> None:
    target = Destination(load(MAPPING), Recorder())
    assert target.recorder is not None
    connection = target.connect({"api_key": "k3y"})
    target.recorder.taken()
    target.recorder.paused = True
    connection.plan(EVENT)
    assert target.recorder.taken() == []
