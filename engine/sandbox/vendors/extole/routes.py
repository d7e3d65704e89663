"""The HTTP face of the emulated Extole: `/v6/events`, `/v5/events`, `/v4/erasures`, and persons to read back."""

from __future__ import annotations

from engine.sandbox.emulator import Routes
from engine.sandbox.vendors.extole import events, persons
from engine.sandbox.vendors.extole.client import Client

PERSON = "/v5/persons/{id}"


class Extole(Client):
    """The client with its paths."""

    routes = Routes(
        [
            ("POST", "/v6/events", events.v6),
            ("POST", "/v5/events", events.v5),
            ("POST", "/v4/erasures", persons.erase),
            ("GET", "/v5/persons", persons.search),
            ("GET", PERSON, persons.read),
            ("GET", f"{PERSON}/steps", persons.steps),
        ]
    )
