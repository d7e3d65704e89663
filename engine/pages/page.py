"""The page of one destination: about, settings, limits, calls with their fields, errors, examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

from engine.language.template import Text
from engine.language.texts import visible
from engine.mapping.load import Loaded
from engine.mapping.model import Batch, Instruction, Mapping, Request, Step
from engine.mapping.response_rules import Response
from engine.pages import markdown
from engine.pages.examples import example_blocks
from engine.pages.field_table import field_table
from engine.pages.markdown import code, prose
from engine.pages.settings_table import settings_table
from engine.pages.wording import PageScope, changes, conditions, inner_text, source_text, text_or_value
from engine.plan import Destination
from engine.records import JsonObject

MADE = "<!-- Made by `engine docs`. Do not edit: change the mapping, and make it again. -->"
USUAL = (
    "Where no rule matches: 2xx is accepted; 408, 425, 429, 5xx and lost connections are retried; 401, 402 and 403 "
    "stop the connection; everything else is rejected."
)
PART = re.compile(r"\bparts\.([a-z][a-z0-9_]*)")
MEANS = {
    "accept": "delivered",
    "retry": "sent again later",
    "reject": "rejected; the event failed",
    "stop": "the connection is held until someone fixes it",
    None: "as usual",
}


def destination_page(loaded: Loaded) -> str:
    """Return the page of a mapping without errors, as Markdown; it ends with a line end."""
    mapping = loaded.mapping
    lines = [*_opening(mapping), *_settings(mapping), *_every_request(mapping), *_limits(mapping), *_calls(loaded)]
    lines += _parts(mapping, lines)
    return "\n".join([*lines, *_errors(mapping), *_examples(loaded)]).rstrip("\n") + "\n"


def _opening(mapping: Mapping) -> Iterator[str]:
    yield f"# {prose(mapping.title)}\n"
    yield f"{MADE}\n"
    if mapping.about:
        yield f"{prose(mapping.about)}\n"
    names = ", ".join(map(code, mapping.integrations))
    yield f"Mapping: {code(mapping.name)}. In `integrations` of an event: {names}.\n"
    if mapping.docs:
        yield f"The vendor's documentation: <{visible(mapping.docs).replace('>', '%3E')}>\n"


def _settings(mapping: Mapping) -> Iterator[str]:
    yield "## Settings\n"
    if not mapping.settings:
        yield "None.\n"
    yield from settings_table(mapping)


# What requests share, and limits.


def _every_request(mapping: Mapping) -> Iterator[str]:
    http, scope = mapping.http, PageScope.of(mapping)
    rows = [["address", text_or_value(scope, http.base_url)]]
    rows += [[f"header {code(name)}", text_or_value(scope, text)] for name, text in http.headers]
    if http.headers_from is not None:
        rows.append(["other headers", inner_text(scope, http.headers_from)])
    if http.query_from is not None:
        rows.append(["query", inner_text(scope, http.query_from)])
    if http.basic is not None:
        user, password = (inner_text(scope, each) for each in http.basic)
        rows.append(["basic authentication", f"user {user}, password {password}"])
    if http.oauth2 is not None:
        rows.append(["access token", f"OAuth 2, from {text_or_value(scope, http.oauth2.token_url)}"])
    if http.signature is not None:
        rows.append(["signature", f"HMAC ({http.signature.hash}) in the header {code(http.signature.header)}"])
    if http.compress:
        rows.append(["body", f"compressed with {http.compress}"])
    if http.request_id:
        rows.append([f"header {code(http.request_id)}", "an id that is the same when the request is sent again"])
    yield "## Every request\n"
    yield from markdown.table(["part", "value"], rows)


def _limits(mapping: Mapping) -> Iterator[str]:
    http, retry = mapping.http, mapping.retry
    waits = f"after {retry.get('first_wait', '1s')}, then twice as long, at most {retry.get('max_wait', '5m')}"
    rows = [
        ["rate", _rate(http.rate_limit) if http.rate_limit else "none known"],
        ["time of a request", code(http.timeout)],
        ["retries", f"for {retry.get('for', '24h')}: {waits}"],
    ]
    sizes: dict[int, list[str]] = {}
    for request in mapping.requests.values():
        sizes.setdefault(request.max_bytes, []).append(code(request.name))
    for size, names in sizes.items():
        rows.append(["body" if len(sizes) == 1 else f"body of {', '.join(names)}", f"{size:,} bytes"])
    rows += [[f"batch {code(batch.name)}", _batch(batch)] for batch in mapping.batches.values()]
    yield "## Limits\n"
    yield from markdown.table(["limit", "value"], rows)


def _rate(written: str) -> str:
    number, _, unit = written.partition("/")
    spans = {"s": "second", "m": "minute", "h": "hour"}
    return f"{number} {'request' if number == '1' else 'requests'} a {spans[unit]}"


def _batch(batch: Batch) -> str:
    size = f", {batch.max_bytes:,} bytes" if batch.max_bytes is not None else ""
    wait = f"; it waits {batch.max_wait} for more" if batch.max_wait else ""
    return f"at most {batch.max_items} requests{size}{wait}"


# Calls.


def _calls(loaded: Loaded) -> Iterator[str]:
    mapping = loaded.mapping
    yield "## Calls\n"
    for call, steps in mapping.calls.items():
        yield f"### {call}\n"
        others = [other for other, named in mapping.shared.items() if named == call]
        if others:
            yield f"The same for {', '.join(map(code, others))}.\n"
        for number, step in enumerate(steps, 1):
            scope = PageScope.of(mapping, call, *others)
            yield f"{number}. {_step(loaded, step, scope)}\n"
            yield from field_table(scope, step)


def _step(loaded: Loaded, step: Step, scope: PageScope) -> str:
    mapping, request = loaded.mapping, loaded.mapping.requests[step.request]
    about = _about(loaded, "requests", request.name)
    sentences = [f"{code(request.name)}: {_line(mapping, request, scope)}.", about, *_rules(step, scope)]
    if request.if_missing:
        missing = mapping.requests[request.if_missing]
        sentences.append(f"If the vendor answers 404: {code(missing.name)}, {_line(mapping, missing, scope)}.")
    if request.envelope is not None:
        sentences.append(f"The fields below are `body` in {source_text(scope, request.envelope)}.")
    return " ".join(filter(None, sentences))


def _line(mapping: Mapping, request: Request, scope: PageScope) -> str:
    batch = mapping.batches.get(request.batch or "")
    noun: Request | Batch = request if batch is None else batch
    is_base = noun.path is None or (isinstance(noun.path, Text) and noun.path.literal == "")
    path = "the address itself" if is_base or noun.path is None else text_or_value(scope, noun.path)
    travels = f", in the batch {code(batch.name)}" if batch is not None else ""
    return f"{text_or_value(scope, noun.method)} {path}{travels}"


def _rules(step: Step, scope: PageScope) -> Iterator[str]:
    if step.when is not None:
        yield f"Only when {code(step.when)}."
    if step.unless is not None:
        yield f"Not when {code(step.unless)}."
    if step.for_each is not None:
        where = f" where {code(step.where)}" if step.where is not None else ""
        yield f"One for each item of {inner_text(scope, step.for_each)}{where}, at most {step.max_requests:,}."
    for path, message in step.require:
        yield f"Needs {code(path)}: {prose(message)}."
    for name, path in step.save.items():
        yield f"Keeps {code(path)} of the response as {code(f'saved.{name}')}."


def _about(loaded: Loaded, section: str, name: str) -> str:
    nouns = cast("dict[str, JsonObject]", loaded.raw.get(section) or {})
    about = nouns.get(name, {}).get("about")
    return prose(about) if isinstance(about, str) else ""


def _parts(mapping: Mapping, lines: list[str]) -> Iterator[str]:
    """Return the parts that the page names, and those that these name."""
    rows: dict[str, list[str]] = {}
    texts = lines
    while named := [name for name in dict.fromkeys(PART.findall("\n".join(texts))) if name not in rows]:
        rows |= {name: _part(mapping, name) for name in named}
        texts = [cell for name in named for cell in rows[name][1:]]
    if rows:
        yield "## Shared values\n"
        yield from markdown.table(["name", "from", "conversions", "condition"], rows.values())


def _part(mapping: Mapping, name: str) -> list[str]:
    value = mapping.parts.get(name)
    text = "" if value is None else source_text(PageScope.of(mapping), value)
    notes, when = ("", "")
    if isinstance(value, Instruction):
        notes, when = ", ".join(changes(value.modifiers)), ", ".join(conditions(value.modifiers))
    return [code(f"parts.{name}"), text, notes, when]


# Errors.


def _errors(mapping: Mapping) -> Iterator[str]:
    rows = [_error(rule, code(request.name)) for request in mapping.requests.values() for rule in request.responses]
    rows += [_error(rule, "all") for rule in mapping.responses]
    yield "## What responses mean\n"
    yield from markdown.table(["request", "status", "condition", "means", "the vendor's message", "what to do"], rows)
    yield f"{USUAL}\n"


def _error(rule: Response, request: str) -> list[str]:
    status = ", ".join(str(each) for each in rule.status) or "any"
    when = [f"when {code(rule.when)}"] if rule.when else []
    when += [f"unless {code(rule.unless)}"] if rule.unless else []
    error = code(rule.error) if rule.error else ""
    return [request, status, ", ".join(when), MEANS[rule.then], error, prose(rule.hint)]


# Examples.


def _examples(loaded: Loaded) -> Iterator[str]:
    lines = list(example_blocks(Destination(loaded)))
    if lines:
        yield "## Examples\n"
        yield "What the engine sends for examples of the mapping, with the example settings; `***` is a secret.\n"
        yield from lines
