"""The events that everything here reads: 5,000 as a shop sends them, 1.8 KB each, the same on every machine.

    python -m benchmarks.corpus FOLDER      writes them and the other inputs, a file each

Seeded, so that figures of different days are figures of the same events.
"""

from __future__ import annotations

import random
import sys
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from orjson import dumps, loads

SEED = 20260822
CALLS = {"track": 3000, "page": 750, "screen": 250, "identify": 750, "group": 250}
KINDS = (*CALLS, "alias")
BODY = 100
"""Events in one body, as Segment's libraries send them."""
OF_A_KIND, REPEATS = 2000, 8
"""Events of a call, and how often they are repeated until there are so many: short turns cannot be measured."""
VOLUME = 2**22
"""Bytes of the inputs whose events are all alike."""
AGENTS = """
Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36
Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36 Edg/125.0.2535.92
Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0
Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1
Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1
Mozilla/5.0 (Linux; Android 14; Pixel 8 Pro) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.72 Mobile Safari/537.36
Mozilla/5.0 (Linux; Android 13; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36
Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 OPR/110.0.0.0
Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)
Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15
""".strip().splitlines()  # noqa: E501  real ones are long
FIRST = (
    "Anna Béla Carlos Dunja Émile Fatima Georg Hana Ivan Jana Kenji Łukasz Mária Noor Olga Pavel Quinn Rosa Søren Tomáš"
)
LAST = "Novák Müller Smith García Kowalski Horváth Dubois Rossi Jensen Okafor Tanaka Petrova"
CITIES = (
    ("Bratislava", "SVK", "Slovakia", 48.1486, 17.1077, "Europe/Bratislava"),
    ("New York", "USA", "United States", 40.7128, -74.006, "America/New_York"),
    ("München", "DEU", "Germany", 48.1351, 11.582, "Europe/Berlin"),
    ("Kraków", "POL", "Poland", 50.0647, 19.945, "Europe/Warsaw"),
    ("Paris", "FRA", "France", 48.8566, 2.3522, "Europe/Paris"),
)
EVENTS = [
    "Order Completed",
    "Product Viewed",
    "Product Added",
    "Checkout Started",
    "Email Opened",
    "Signup Completed",
    "Article Read",
    "Video Played",
    "Coupon Applied",
    "Product List Viewed",
]
Event = dict[str, Any]
Drawn = tuple[tuple[str, Callable[["Draw"], Any]], ...]


class Draw(random.Random):
    """The kinds of random values that events are made of."""

    def hex(self, length: int) -> str:
        return "".join(self.choice("0123456789abcdef") for _ in range(length))

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.getrandbits(128), version=4))

    def time(self) -> datetime:
        """Return a time in July 2026."""
        return datetime(2026, 7, 1, tzinfo=UTC) + timedelta(seconds=self.random() * 86400 * 30)

    def ip(self) -> str:
        return ".".join(str(self.randint(1, 254)) for _ in range(4))


def iso(at: datetime, later: float = 0) -> str:
    """Return a time as libraries write it, so many seconds later."""
    return (at + timedelta(seconds=later)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


PROPERTIES: Drawn = (
    ("order_id", lambda draw: draw.hex(24)),
    ("total", lambda draw: round(draw.random() * 300, 2)),
    ("revenue", lambda draw: round(draw.random() * 250, 2)),
    ("shipping", lambda draw: draw.randint(0, 9)),
    ("tax", lambda draw: round(draw.random() * 20, 2)),
    ("discount", lambda draw: round(draw.random() * 10, 1)),
    ("coupon", lambda draw: draw.choice(["hasbros", "SUMMER26", None])),
    ("currency", lambda draw: draw.choice(["USD", "EUR"])),
    ("checkout_id", lambda _: "fksdjfsdjfisjf9sdfjsd9f"),
    ("affiliation", lambda _: "Google Store"),
    ("plan", lambda _: "Pro Annual"),
    ("accountType", lambda _: "Facebook"),
    ("isNew", lambda draw: draw.random() < 0.5),
    ("step", lambda draw: draw.randint(1, 6)),
    ("position", lambda draw: draw.randint(1, 60)),
    ("variant", lambda _: "black / XL"),
    ("query", lambda _: "blue shoes"),
    ("category", lambda _: "Games & Toys"),
)
NESTED: Drawn = (
    (
        "shippingAddress",
        lambda _: {"street": "Main 1", "city": "Košice", "zip": "04001", "geo": {"lat": 48.72, "lng": 21.26}},
    ),
    ("experiment", lambda _: {"name": "pricing-page", "variant": {"id": 7, "key": "b"}}),
    ("meta", lambda _: {"source": "web", "flags": {"beta": True, "ab": None}}),
)


def context(draw: Draw, *, mobile: bool) -> Event:
    """Return what a library says about the device."""
    city, agent = draw.choice(CITIES), draw.choice(AGENTS)
    app = {
        "name": "InitechGlobal",
        "version": f"5{draw.randint(0, 9)}.{draw.randint(0, 9)}",
        "build": f"3.0.1.{draw.randint(100, 999)}",
        "namespace": "com.production.segment",
    }
    found = {
        "app": app,
        "device": device(draw, mobile=mobile),
        "os": {
            "name": draw.choice(["iOS", "Android", "Windows", "Mac OS X"]),
            "version": f"{draw.randint(8, 17)}.{draw.randint(0, 6)}.{draw.randint(0, 9)}",
        },
        "screen": {
            "width": draw.choice([320, 390, 1440, 1920]),
            "height": draw.choice([568, 844, 900, 1080]),
            "density": draw.choice([1, 2, 3]),
        },
        "campaign": {
            "name": draw.choice(["TPS Innovation Newsletter", "summer_sale", "brand"]),
            "source": draw.choice(["Newsletter", "google", "facebook"]),
            "medium": draw.choice(["email", "cpc"]),
            "term": "tps reports",
            "content": "image link",
        },
        "library": {"name": "analytics.js", "version": "2.11.1"},
        "page": {
            "path": "/academy/",
            "referrer": "https://www.google.com/",
            "search": "?utm_source=x",
            "title": "Analytics Academy — kurz",
            "url": f"https://shop.example.com/academy/{draw.randint(1, 9999)}?utm_source=x",
        },
        "location": {
            "city": city[0],
            "country": city[2],
            "latitude": city[3],
            "longitude": city[4],
            "region": f"r{draw.randint(1, 20)}",
            "speed": 0,
        },
        "userAgent": agent,
        "ip": draw.ip(),
        "locale": draw.choice(["en-US", "sk-SK", "de-DE"]),
        "timezone": city[5],
        "active": True,
    }
    if draw.random() < 0.4:
        found["referrer"] = {"type": "dataxu", "url": "https://www.google.com/", "link": "https://www.google.com/"}
    return found


def device(draw: Draw, *, mobile: bool) -> Event:
    """Return a device: phones say more."""
    if not mobile:
        maker = {"id": draw.uuid(), "manufacturer": draw.choice(["Apple", "Dell", "Lenovo"])}
        return {**maker, "model": "desktop", "type": "web"}
    ids = {"id": draw.uuid(), "advertisingId": draw.uuid().upper(), "adTrackingEnabled": True}
    return {**ids, "manufacturer": "Apple", "model": "iPhone15,2", "name": "maguro", "type": "ios"}


def product(draw: Draw, number: int) -> Event:
    """Return one of an order's products."""
    return {
        "product_id": draw.hex(24),
        "sku": f"{draw.randint(10000, 99999)}-{number}",
        "name": draw.choice(["Monopoly: 3rd Edition", "Uno Card Game", "Café lungo 250 g"]),
        "price": round(draw.random() * 100, 2),
        "quantity": draw.randint(1, 4),
        "category": "Games",
        "url": "https://www.example.com/product/path",
        "image_url": "https://www.example.com/product/path.jpg",
    }


def common(draw: Draw, call: str) -> Event:
    """Return what every call has."""
    mobile = call == "screen" or draw.random() < 0.4
    at = draw.time()
    event = {
        "anonymousId": draw.uuid(),
        "channel": "mobile" if mobile else "browser",
        "context": context(draw, mobile=mobile),
        "integrations": {"All": True, "Mixpanel": False},
        "messageId": f"ajs-{draw.hex(32)}",
        "receivedAt": iso(at, 1),
        "sentAt": iso(at),
        "timestamp": iso(at),
        "type": call,
        "version": "1.1",
    }
    if draw.random() < 0.8 or call in {"identify", "group"}:
        event["userId"] = draw.hex(10)
    return event


def track(draw: Draw, event: Event) -> None:
    event["event"] = draw.choice(EVENTS)
    count = draw.randint(8, 15)
    found = {name: make(draw) for name, make in draw.sample(PROPERTIES, count)}
    if draw.random() < 0.5:
        found |= {name: make(draw) for name, make in draw.sample(NESTED, draw.randint(1, 2))}
    if draw.random() < 0.2:
        found["products"] = [product(draw, number) for number in range(draw.randint(1, 3))]
    event["properties"] = found


def page(draw: Draw, event: Event) -> None:
    event["name"] = draw.choice(["Home", "Pricing", "Product detail", "Košík"])
    if draw.random() < 0.5:
        event["category"] = "Shop"
    more = {"keywords": ["a", "b"], "loadTime": draw.randint(100, 3000), "viewport": {"w": 1200, "h": 800}}
    event["properties"] = {**event["context"]["page"], "name": event["name"], **more}


def screen(draw: Draw, event: Event) -> None:
    event["name"] = "Home"
    tab, origin = draw.randint(0, 4), {"screen": "Login", "id": draw.randint(1, 50)}
    event["properties"] = {"Feed Type": "private", "tab": tab, "from": origin}


def identify(draw: Draw, event: Event) -> None:
    city, first, last = draw.choice(CITIES), draw.choice(FIRST.split()), draw.choice(LAST.split())
    place = {"street": "6th St", "city": city[0], "state": "CA", "postalCode": "94103", "country": city[1]}
    event["traits"] = {
        "firstName": first,
        "lastName": last,
        "name": f"{first} {last}",
        "email": f"user{draw.randint(1, 10**6)}@example.com",
        "phone": f"+4219{draw.randint(0, 10**8 - 1):08d}",
        "age": draw.randint(18, 80),
        "birthday": "1986-03-14T00:00:00Z",
        "createdAt": iso(draw.time(), -(10**7)),
        "plan": "premium",
        "logins": draw.randint(0, 300),
        "address": {**place, "geo": {"lat": city[3], "lng": city[4]}},
        "company": {"name": "Initech", "id": draw.randint(1, 999), "employee_count": draw.randint(1, 500)},
        "avatar": "https://example.com/a.png",
        "gender": "female",
        "title": "VP of Derp",
        "vip": draw.random() < 0.1,
        "optIn": None,
    }


def group(draw: Draw, event: Event) -> None:
    event["groupId"] = draw.hex(12)
    event["traits"] = {
        "name": "Initech, s. r. o.",
        "industry": "Technology",
        "employees": draw.randint(1, 5000),
        "plan": "enterprise",
        "website": "https://initech.example",
        "address": {"city": "Brno", "country": "CZE"},
        "createdAt": iso(draw.time(), -(10**7)),
    }


FILL = {"track": track, "page": page, "screen": screen, "identify": identify, "group": group}


@cache
def events(count: int = 5000) -> tuple[bytes, ...]:
    """Return the first events of the corpus, each as JSON."""
    draw = Draw(SEED)
    calls = [call for call, share in CALLS.items() for _ in range(share)]
    draw.shuffle(calls)
    found = []
    for call in calls[:count]:
        event = common(draw, call)
        FILL[call](draw, event)
        found.append(dumps(event))
    return tuple(found)


def alias(raw: bytes) -> bytes:
    """Make an alias call of an identify call."""
    event = loads(raw)
    del event["traits"]
    return dumps(event | {"type": "alias", "previousId": event["anonymousId"]})


def odd() -> list[bytes]:
    """Return what the corpus does not have: names that are not ASCII, journeys, IDs that are missing."""
    first = {kind: loads(of_kind(events(), kind)[0]) for kind in KINDS}
    names = {"größe": "XL", "size": {"größe": 1, "ok": 2}, "": 3, "tab\t": 4, "list": [{"é": 1}]}
    step = {"personas": {"computation_class": "journey_step", "computation_key": "j_o_welcome__step_2"}}
    changed = {
        "track": {"properties": names},
        "page": {"properties": {"name": "Home", "category": "own"}, "category": "Shop"},
        "screen": {"properties": {"os": {"name": "mine"}, "screen_name": "no"}, "category": "Shop"},
        "identify": {"traits": {**names, "plan": "pro"}, "context": step},
        "group": {"traits": names, "userId": None},
        "alias": {"userId": None},
    }
    made = [event | changed[kind] for kind, event in first.items()]
    found = [dumps({key: value for key, value in event.items() if value is not None}) for event in made]
    return [
        *found,
        dumps(first["identify"] | {"context": {"personas": {**step["personas"], "computation_class": "audience"}}}),
    ]


def of_kind(found: Iterable[bytes], kind: str) -> list[bytes]:
    """Return the events that are such a call; alias calls are made of the identify calls."""
    if kind == "alias":
        return [alias(raw) for raw in of_kind(found, "identify")]
    return [raw for raw in found if loads(raw)["type"] == kind]


def sized(size: int, shape: str) -> bytes:
    """Return a track call of about `size` bytes: of `properties`, `products` or one long `text`."""
    event = loads(of_kind(events(10), "track")[0])
    if size <= 1000:
        event["context"] = {"os": event["context"]["os"]}
    properties: Event = {}
    event["properties"] = properties
    number = 0
    while len(dumps(event)) < size:
        number += 1
        if shape == "properties":
            properties[f"property_{number}"] = f"value {number}" if number % 2 else number
        elif shape == "products":
            properties.setdefault("products", []).append({"sku": f"sku-{number}", "price": 9.5, "quantity": number})
        else:
            properties["text"] = properties.get("text", "") + "about a hundred characters " * 4
    return dumps(event)


def many(raw: bytes) -> list[bytes]:
    """Return so many copies of an event that a turn takes long enough to be measured."""
    return [raw] * max(8, VOLUME // len(raw))


def bodies(found: list[bytes]) -> list[bytes]:
    """Put events into bodies of `/v1/batch`."""
    parts = (found[start : start + BODY] for start in range(0, len(found), BODY))
    return [b'{"batch":[' + b",".join(part) + b'],"sentAt":"2026-07-01T00:00:00.000Z"}' for part in parts]


def write(file: Path, found: Iterable[bytes]) -> Path:
    """Write one input, a line each."""
    file.write_bytes(b"".join(raw + b"\n" for raw in found))
    return file


def inputs(count: int = 5000) -> dict[str, list[bytes]]:
    """Return every input by name."""
    found = list(events(count))
    return {
        "all": found,
        **{kind: (of_kind(found, kind) * REPEATS)[:OF_A_KIND] for kind in KINDS},
        "bodies": bodies(found),
        "odd": odd(),
        "small": many(sized(500, "properties")),
        "products-8": many(sized(8000, "products")),
        "products-32": many(sized(32000, "products")),
    }


def main() -> None:
    """Write every input into a folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in inputs().items():
        write(folder / f"{name}.ndjson", found)
        size = sum(map(len, found)) / len(found)
        print(f"{name:14} {len(found):6,} of {size:9,.0f} bytes")


if __name__ == "__main__":
    main()
