"""`engine explain`: why one event becomes what it becomes; nothing is sent."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from engine.commands.connection_options import given_settings
from engine.commands.options import (
    FILE,
    SettingsOptions,
    clock,
    default_outbox,
    looked_at,
    outbox_option,
    settings_options,
)
from engine.commands.shared import FOUND, did_you_mean
from engine.errors import SettingsError, UsageError, WaybillError
from engine.records import Json, JsonObject, Report

if TYPE_CHECKING:
    from engine.delivery.outbox.location import Location
    from engine.events.splitting import Line
    from engine.mapping.load import Loaded
    from engine.plan import Connection

MOST_NAMES = 50
"""Names that a message offers where none is near."""

WITHOUT_CONNECTION = (
    "For which connection? Add --connection NAME (engine outbox show ID lists those of an event), or name a mapping."
)
WITH_LINE = re.compile(r"(.+):([1-9][0-9]{0,9})")


class ExplainedEvent(NamedTuple):
    """The event to explain: where it is from, its bytes and value, and what was repaired in them."""

    place: str
    raw: bytes
    value: Json
    received_at: str | None = None
    reports: tuple[Report, ...] = ()


@click.command("explain")
@click.argument("mapping", metavar="[MAPPING]", required=False)
@click.argument("event", metavar="EVENT", required=False)
@click.option("--message-id", "message_id", metavar="ID", help="Explain this event of an outbox.")
@outbox_option(envvar=None, help="The outbox of --message-id, a file or an address.")
@click.option(
    "--connection",
    "name",
    metavar="NAME",
    help="With --message-id, instead of MAPPING: the mapping's version that planned the event for this connection.",
)
@click.option(
    "--connections", "connections_file", type=FILE, metavar="FILE", help="Take the settings of --connection from here."
)
@click.option("--field", metavar="PATH", help="Only this field of the event: properties.coupon.")
@click.option("--output", metavar="PATH", help="Only this output field: data.cart_value.")
@settings_options
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Text for people, or one JSON object.",
)
@click.option(
    "--received-at",
    metavar="TIME",
    help="When an event without receivedAt was received (ISO 8601); also the clock that times are compared with.",
)
def command(  # noqa: PLR0913, PLR0917  the options are what they are
    mapping: str | None,
    event: str | None,
    message_id: str | None,
    outbox_file: Location | None,
    name: str | None,
    connections_file: Path | None,
    field: str | None,
    output: str | None,
    settings: SettingsOptions,
    style: str,
    received_at: str | None,
) -> int:
    """Explain what one event becomes for MAPPING (a name or a path), and why; sends nothing.

    EVENT is a file (its first event), FILE:LINE as `engine run` prints it, or - for standard input. Settings that are
    not given take the mapping's examples. An event of an outbox is explained by MAPPING, or with --connection by the
    version of the mapping that planned it.

    Exit code 0: the event was planned or ignored; 1: it is invalid, or the mapping has problems; 2: wrong usage.
    """
    if field is not None and output is not None:
        raise UsageError("--field is about the event and --output about the requests; give one of them.")
    now = clock(received_at)
    if name is None:
        connection, origins = _connection(_named(mapping, message_id, connections_file), settings)
        chosen = _chosen(event, message_id, outbox_file)
    else:
        loaded, chosen = _planned(mapping, message_id, outbox_file, name)
        connection, origins = _connected(loaded, settings, _settings(connections_file, name, settings))
    explanation = _explained(connection, chosen, received_at, now)
    explanation = {"event": {"source": chosen.place}, "settings": origins, **explanation}
    explanation = _selected(explanation, field, output)
    if style == "json":
        _print_json(explanation)
    else:
        _print_text(explanation, connection, chosen, of_event=field is not None, whole=output is not None)
    return FOUND if explanation["outcome"] == "invalid" else 0


def _named(mapping: str | None, message_id: str | None, connections_file: Path | None) -> str:
    if mapping is None and message_id is not None:
        raise UsageError(WITHOUT_CONNECTION)
    if mapping is None:
        raise UsageError("Name a mapping, or an event of an outbox with --message-id ID --connection NAME.")
    if connections_file is not None:
        raise UsageError("--connections has the settings of --connection NAME; give it, too, or --settings FILE.")
    return mapping


def _planned(
    mapping: str | None, message_id: str | None, outbox: Location | None, name: str
) -> tuple[Loaded, ExplainedEvent]:
    """Return the mapping's version that planned an event for a connection, and the event."""
    from engine.commands.stored_versions import planned_by

    if message_id is None:
        raise UsageError("--connection is about an event of an outbox: add --message-id ID.")
    if mapping is not None:
        raise UsageError(
            "--connection takes the mapping's version from the outbox; leave MAPPING out, or --connection."
        )
    found, loaded = planned_by(outbox or default_outbox(), message_id, name)
    return loaded, _of_outbox(str(found.event), outbox)


def _settings(file: Path | None, name: str, settings: SettingsOptions) -> JsonObject | None:
    """Return the settings of a connection in a file, None without a file."""
    if file is None:
        return None
    if settings.file or settings.assignments or settings.examples:
        raise UsageError("--connections cannot be combined with settings; the file has them.")
    from engine.commands.stored_versions import configured_in
    from engine.records import unmasked

    connection = configured_in(file, name, settings.directories).connection
    return {each: unmasked(value) for each, value in connection.settings.items()}


def _connection(name: str, settings: SettingsOptions) -> tuple[Connection, JsonObject]:
    from engine.mapping.load import Library

    return _connected(Library(settings.directories or None).load(name), settings)


def _connected(
    loaded: Loaded, settings: SettingsOptions, own: JsonObject | None = None
) -> tuple[Connection, JsonObject]:
    """Return the connection, which records, and where each setting is from; `own` are settings from elsewhere."""
    from engine.compiler.recording import Recorder
    from engine.plan import Destination, destination

    destination(loaded)  # a mapping with problems is explained by these
    target = Destination(loaded, Recorder())
    given, examples = given_settings([target], settings)[target.name], target.example_settings()
    if own is not None:
        given = {each: value for each, value in own.items() if each in target.mapping.settings}
    try:
        connection = target.connect({**examples, **given})
    except SettingsError as error:
        raise UsageError(f"{error}\nSet them with --settings FILE or --set KEY=VALUE.") from None
    origins: JsonObject = {
        each: "given" if each in given else "example" if each in examples else "default" for each in connection.settings
    }
    return connection, origins


def _chosen(event: str | None, message_id: str | None, outbox: Location | None) -> ExplainedEvent:
    if (event is None) == (message_id is None):
        raise UsageError("Name one event: a file, FILE:LINE, - for standard input, or --message-id ID --outbox FILE.")
    if message_id is not None:
        return _of_outbox(message_id, outbox)
    if outbox is not None:
        raise UsageError("--outbox needs --message-id ID; without it the event is in a file.")
    assert event is not None
    return _of_file(event)


def _of_file(name: str) -> ExplainedEvent:
    from engine.events.reading import STDIN, read_events

    match = WITH_LINE.fullmatch(name)
    file, wanted = (match[1], int(match[2])) if match and name != STDIN and not Path(name).exists() else (name, None)
    with ExitStack() as stack:
        reader = iter(stack.enter_context(read_events(file, stdin=sys.stdin.buffer)))
        line = _line(reader, file, wanted)
        if wanted is None and next(reader, None) is not None:
            click.echo(f"{file} has more events; this is its first. {file}:LINE explains another one.", err=True)
    if line.error is not None:
        raise WaybillError(line.error)
    assert line.raw is not None
    return ExplainedEvent(f"{line.file}:{line.line}", line.raw, line.value, None, line.reports)


def _line(reader: Iterator[Line], file: str, wanted: int | None) -> Line:
    last = 0
    for line in reader:
        if wanted is None or line.line == wanted:
            return line
        last = line.line
        if last > wanted:
            break
    if wanted is None:
        raise UsageError(f"{file} has no event.")
    raise UsageError(f"No event begins in line {wanted} of {file}; the last one before it is in line {last}.")


def _of_outbox(message_id: str, location: Location | None) -> ExplainedEvent:
    import orjson

    from engine.delivery.outbox.base import outbox_command
    from engine.delivery.outbox.reading import stored_event
    from engine.language.texts import visible

    location = location or default_outbox()
    numbers, found = stored_event(looked_at(location), message_id)
    if found is None:
        shown = outbox_command("list", location)
        raise UsageError(f"There is no event {message_id} in this outbox; {shown} shows the events.")
    if len(numbers) > 1:
        others = f"Its number instead of {message_id} explains another one: {_listed(numbers)}."
        click.echo(visible(f"{len(numbers)} events have this ID; this is the newest. {others}"), err=True)
    try:
        value = orjson.loads(found.raw)
    except orjson.JSONDecodeError as error:
        raise WaybillError(f"The event {message_id} of the outbox is not JSON: {error}.") from None
    return ExplainedEvent(f"event {numbers[-1]} of the outbox", found.raw, value, found.received_at, found.reports)


def _listed(numbers: list[int]) -> str:
    more = f" and {len(numbers) - MOST_NAMES} more" if len(numbers) > MOST_NAMES else ""
    return ", ".join(map(str, numbers[-MOST_NAMES:])) + more


def _explained(connection: Connection, chosen: ExplainedEvent, received_at: str | None, now: float) -> JsonObject:
    from engine.events.normalizing import normalize_parsed
    from engine.explaining.explanation import explain
    from engine.explaining.original import OriginalEvent

    received = chosen.received_at or received_at
    normalized = normalize_parsed(chosen.value, chosen.raw, received_at=received, now=now)
    if chosen.reports:
        normalized = normalized._replace(reports=(*chosen.reports, *normalized.reports))
    return explain(connection, OriginalEvent(chosen.value, normalized, received, now), connection.secrets)


def _selected(explanation: JsonObject, field: str | None, output: str | None) -> JsonObject:
    """Return the explanation of what is asked for; where no request and no field was looked at, all that there is."""
    from engine.explaining.selection import field_names, only_field, only_output, output_names

    if output is not None:
        names = output_names(explanation)
        _need(output, names, f'No request has an output field "{output}".')
        return only_output(explanation, output) if names else explanation
    if field is not None:
        names = field_names(explanation)
        _need(field, names, f'The event has no field "{field}".')
        return only_field(explanation, field) if names else explanation
    return explanation


def _need(asked: str, names: list[str], missing: str) -> None:
    from engine.explaining.influence import NOT_OF_MAPPINGS
    from engine.explaining.selection import within

    if asked.partition(".")[0] in NOT_OF_MAPPINGS and asked not in names:
        raise UsageError(f"{missing} What says how an event travels, such as messageId, is not explained.")
    if names and not any(within(name, asked) for name in names):
        advice = did_you_mean(asked, names) if len(names) <= MOST_NAMES else "--format json lists all."
        raise UsageError(f"{missing} {advice}")


def _print_json(explanation: JsonObject) -> None:
    import json

    from engine.language.texts import visible_lines

    click.echo(visible_lines(json.dumps(explanation, ensure_ascii=False, indent=2)))


def _print_text(
    explanation: JsonObject, connection: Connection, chosen: ExplainedEvent, *, of_event: bool, whole: bool
) -> None:
    from engine.commands.output.events import event_title
    from engine.commands.output.explanation import explanation_text
    from engine.commands.output.text import Display

    title, display = event_title(chosen.value, connection.secrets), Display(sys.stdout)
    click.echo(explanation_text(explanation, title, display, of_event=of_event, whole=whole), nl=False)
