"""What can be chosen on the page: mappings with their examples, and sample events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, cast

from engine.errors import MappingNotFound
from engine.language.texts import visible
from engine.mapping import bundled
from engine.mapping.load import Library
from engine.mapping.yaml.reader import LARGEST
from engine.records import Json, JsonObject

HERE = Path(__file__).parent
FIRST_STEPS: Final = "first_steps"
"""The mapping that is there at first; its file is beside this one."""
MOST_EXAMPLES = 200


def mapping_names(directories: Sequence[Path]) -> list[JsonObject]:
    """Return the mappings that can be chosen: the first steps, then one's own, then those that ship."""
    shipped = bundled("mappings")
    library = Library(directories)
    own: list[JsonObject] = []
    others: list[JsonObject] = []
    for name in library.names():
        try:
            found = library.find(name).absolute()
        except MappingNotFound:  # a folder, or a link that leads nowhere
            continue
        place = others if found.parent == shipped.absolute() else own
        place.append({"name": name, "group": "shipped" if place is others else "own"})
    return [{"name": FIRST_STEPS, "group": "start"}, *own, *others]


def chosen_mapping(name: str, directories: Sequence[Path]) -> JsonObject:
    """Return the text of a mapping with its examples as events; raises MappingNotFound. `name` is no path."""
    if name == FIRST_STEPS:
        text = (HERE / f"{FIRST_STEPS}.yaml").read_text(encoding="utf-8")
        return {"name": name, "home": None, "text": text, "examples": []}
    library = Library(directories)
    if name not in library.names():
        raise MappingNotFound(f"There is no mapping {visible(name[:64])}. Choose another one, or reload the page.")
    path = library.find(name)
    try:
        with path.open("rb") as handle:
            text = handle.read(LARGEST).decode("utf-8-sig", "replace")
    except OSError as error:
        raise MappingNotFound(f"The mapping {visible(name[:64])} cannot be read: {error.strerror}.") from None
    home = next((each for each in library.directories if each.absolute() == path.absolute().parent), None)
    return {"name": name, "home": str(home) if home else None, "text": text, "examples": _examples(library, path)}


def _examples(library: Library, path: Path) -> list[Json]:
    loaded = library.read(path)
    if not loaded.readable:
        return []
    return [
        {"title": visible(each.title), "events": events_text([each.event])}
        for each in loaded.mapping.examples[:MOST_EXAMPLES]
    ]


@cache
def samples() -> list[JsonObject]:
    """Return the sample events: title and text."""
    found = json.loads((HERE / "samples.json").read_text(encoding="utf-8"))
    return [{"title": each["title"], "events": events_text(cast("list[Json]", each["events"]))} for each in found]


def events_text(events: Sequence[Json]) -> str:
    """Write events as people do: one laid out over lines, several one a line."""
    if len(events) == 1:
        return json.dumps(events[0], indent=2, ensure_ascii=False)
    return "\n".join(json.dumps(each, ensure_ascii=False) for each in events)
