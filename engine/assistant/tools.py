"""The tools of `engine mcp`: check, run, explain and test a mapping, and search functions and documentation.

Whoever asks may be led by text from anywhere. So files are read only below the root, with links resolved; settings are
taken as they are, without `${env:NAME}`; secrets are masked; and what an answer may hold has a limit.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, cast

import orjson

from engine.errors import MappingError, SettingsError, WaybillError
from engine.events.normalizing import normalize
from engine.language.functions.registry import FUNCTIONS
from engine.language.other_names import function_named
from engine.language.texts import visible, visible_json
from engine.mapping import bundled
from engine.mapping.load import Library, Loaded
from engine.mapping.problems import Problem
from engine.mapping.settings import variables
from engine.mapping.yaml import reader
from engine.mapping.yaml.reader import Document
from engine.plan import Connection, Destination, destination
from engine.records import Json, JsonObject, Plan, masked
from engine.testing.examples import check_examples
from engine.testing.files import check_file

LONGEST_ANSWER = 60_000
"""Characters of JSON; what is longer is refused, with advice."""
LONGEST_EVENT = 512 * 1024
"""Bytes of JSON of an event."""
LONGEST_SECTION = 4_000
MOST_FOUND = 8
"""Functions or sections that a search returns."""
LONGEST_QUERY = 200
WORDS = re.compile(r"[a-z0-9_]+")
PLURAL = re.compile(r"(ss|x|zz|ch|sh)es$|(?<!s)s$")
SHORTEST_PLURAL = 3
FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.MULTILINE | re.DOTALL)
"""A block of code: a `#` in it is a comment, not a heading."""
HEADING = re.compile(r"^#{1,3} +(.+)$", re.MULTILINE)
EXAMPLE_OF = re.compile(r"examples\[(\d+)\]")


class ToolError(WaybillError):
    """A tool cannot answer; the text says why."""


class Section(NamedTuple):
    """A part of a page of the documentation, from its heading to the next."""

    page: str
    title: str
    text: str


class _Confined(Library):
    """The mappings below a root and those that ship; no link that leads elsewhere is named in advice."""

    def __init__(self, root: Path, read: Callable[[Path], Document]) -> None:
        super().__init__([root, root / "mappings"], read)
        self._root = root

    def names(self) -> list[str]:
        """Return the names of the mappings that may be read, sorted."""
        found = (path for directory in self.directories for path in directory.glob("*.yaml"))
        return sorted({path.stem for path in found if _is_within(path, self._root)})


class Tools:
    """The tools for one root folder; every method is a tool, and its arguments are those of the tool."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._library = _Confined(self.root, self._read)

    def validate(self, mapping: str, text: str | None = None) -> JsonObject:
        """Return every problem of a mapping, its examples run; `text` is checked in place of what the file has."""
        path = self._path(mapping) if text is None else self._inside(mapping)
        texts = {} if text is None else {path: text}
        library = _Confined(self.root, lambda file: self._read(file, texts))
        problems = check_file(library, path)
        return {"valid": not _errors(problems), "problems": [self._problem(each) for each in problems]}

    def run(self, mapping: str, event: JsonObject, settings: JsonObject | None = None) -> JsonObject:
        """Return what an event becomes: outcome, reason, requests and reports. Sends nothing."""
        connection = self._connected(self._destination(mapping), settings)
        now = time.time()
        plan = connection.plan_normalized(normalize(self._event(event), now=now), now=now)
        plan = plan._replace(requests=tuple(connection.plain(each, show_secrets=False) for each in plan.requests))
        return cast("JsonObject", masked(_plan_json(plan), connection.secrets))

    def explain(self, mapping: str, event: JsonObject, settings: JsonObject | None = None) -> JsonObject:
        """Return why an event becomes what it becomes: every output field, what is absent, what is never read."""
        from engine.compiler.recording import Recorder
        from engine.explaining.explanation import explain
        from engine.explaining.original import OriginalEvent

        target = self._destination(mapping)
        connection = self._connected(Destination(target.loaded, Recorder()), settings)
        now = time.time()
        original = OriginalEvent(event, normalize(self._event(event), now=now), None, now)
        found = explain(connection, original, connection.secrets)
        files = {str(target.loaded.path), *map(str, target.loaded.resolved.files)}
        return cast("JsonObject", self._with_files_shown(found, files))

    def test(self, mapping: str) -> JsonObject:
        """Run the examples of a mapping and return which fail, with what differs."""
        target = self._destination(mapping)
        problems = list(check_examples(target))
        failed = {int(match[1]) for each in problems if (match := EXAMPLE_OF.match(each.path))}
        titles: list[Json] = [each.title for number, each in enumerate(target.mapping.examples) if number in failed]
        return {
            "examples": len(target.mapping.examples),
            "failed": titles,
            "problems": [self._problem(each) for each in problems],
        }

    def search_functions(self, query: str) -> JsonObject:
        """Return the functions of `as` that fit some words best, each with parameters and examples."""
        words = _words(query)
        other = function_named(query.strip())
        ranked = sorted(FUNCTIONS, key=lambda name: (-_function_rank(name, words, other), name))
        found = [name for name in ranked if _function_rank(name, words, other)][:MOST_FOUND]
        return {"functions": [_function_json(name) for name in found]}

    def search_docs(self, query: str) -> JsonObject:
        """Return the sections of the documentation that fit some words best."""
        words = _words(query)
        scored = [(_section_rank(each, words), each) for each in _sections()]
        best = sorted((each for each in scored if each[0]), key=lambda each: -each[0])[:MOST_FOUND]
        return {
            "sections": [
                {"page": each.page, "title": each.title, "text": each.text[:LONGEST_SECTION]} for _, each in best
            ]
        }

    # Files.

    def _inside(self, name: str) -> Path:
        """Return the path of a YAML file below the root; raises ToolError."""
        try:
            path = (self.root / name).resolve()
        except (OSError, ValueError, RuntimeError):
            raise ToolError(f'"{short(name)}" is not a path.') from None
        if not path.is_relative_to(self.root):
            raise ToolError(f"{short(name)} is outside of the folder that this server may read (--root).")
        if path.suffix not in (".yaml", ".yml"):
            raise ToolError(f"{short(name)} is not a mapping; mappings are files that end in .yaml.")
        return path

    def _path(self, name: str) -> Path:
        """Return the file of a mapping by its path below the root, or by name, also of those that ship."""
        if "/" in name or "\\" in name or name.endswith((".yaml", ".yml")):
            path = self._inside(name)
            if not path.is_file():
                raise ToolError(f"There is no file {short(name)} below the folder of this server (--root).")
            return path
        return self._allowed(self._library.find(name))

    def _allowed(self, path: Path) -> Path:
        if not _is_within(path, self.root):
            raise ToolError(f"{path.name} leads outside of the folder that this server may read (--root).")
        return path

    def _read(self, path: Path, texts: dict[Path, str] | None = None) -> Document:
        given = None if texts is None else texts.get(path)
        if given is not None:
            return reader.parse(given, path.as_posix())
        return reader.read(self._allowed(path))

    # Mappings.

    def _destination(self, name: str) -> Destination:
        loaded: Loaded = self._library.read(self._path(name))
        try:
            return destination(loaded)
        except MappingError as error:
            problems = "\n".join(self._problem_text(each) for each in error.problems[:MOST_FOUND])
            raise ToolError(
                f"This mapping has problems; correct them first (the tool `validate` has all):\n{problems}"
            ) from None

    def _connected(self, target: Destination, settings: JsonObject | None) -> Connection:
        """Connect with some settings; those not given take the mapping's examples. No environment is read."""
        for setting, value in (settings or {}).items():
            if names := variables(value):
                raise ToolError(
                    f"{short(setting)}: ${{env:{short(names[0])}}} is not resolved here: no environment is read. "
                    "Write the value itself, or leave the setting out to take the mapping's example."
                )
        try:
            return target.connect({**target.example_settings(), **(settings or {})}, {})
        except SettingsError as error:
            raise ToolError(str(error)) from None

    def _event(self, event: JsonObject) -> JsonObject:
        try:
            size = len(orjson.dumps(event))
        except TypeError:
            size = 0  # half a character, an integer beyond 64 bits: normalizing says so
        if size > LONGEST_EVENT:
            raise ToolError(f"This event has {size:,} bytes; the limit is {LONGEST_EVENT:,}.")
        return event

    def _problem(self, problem: Problem) -> JsonObject:
        found = {**problem.as_json(), "file": self._shown(problem.file)}
        if problem.fix is not None:
            found["fix"] = {"written": problem.fix.written, "better": problem.fix.better}
        return found

    def _problem_text(self, problem: Problem) -> str:
        return (
            f"{self._shown(problem.file)}:{problem.line}:{problem.column} {problem.message} {problem.advice}".rstrip()
        )

    def _with_files_shown(self, value: Json, files: set[str]) -> Json:
        """Return an explanation with its files as `_shown`: those of the mapping, and no text of an event."""
        if isinstance(value, list):
            return [self._with_files_shown(each, files) for each in value]
        if not isinstance(value, dict):
            return value
        return {
            key: self._shown(inner)
            if key == "file" and isinstance(inner, str) and inner in files
            else self._with_files_shown(inner, files)
            for key, inner in value.items()
        }

    def _shown(self, file: str) -> str:
        path = Path(file).absolute()
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.name


def answer(value: JsonObject) -> str:
    """Return an answer as JSON; raises ToolError for one that is too long."""
    try:
        text = visible_json(orjson.dumps(value)).decode()
    except TypeError:
        import json

        text = json.dumps(value)
    if len(text) > LONGEST_ANSWER:
        advice = "Take a smaller event, or one with shorter lists."
        raise ToolError(f"The answer has {len(text):,} characters; the limit is {LONGEST_ANSWER:,}. {advice}")
    return text


def _is_within(path: Path, root: Path) -> bool:
    """Whether a file, with links resolved, is below the root or one of those that ship."""
    real = path.resolve()
    return real.is_relative_to(root) or real.is_relative_to(bundled("mappings").resolve())


def _errors(problems: list[Problem]) -> bool:
    return any(each.level == "error" for each in problems)


def short(name: str) -> str:
    """Return a name from a request so that it can be shown."""
    return visible(name[:200])


def _plan_json(plan: Plan) -> JsonObject:
    requests: list[JsonObject] = [
        {
            "request": each.request,
            "method": each.method,
            "url": each.url,
            "headers": cast("Json", each.headers),
            "query": cast("Json", each.query),
            "body": each.body,
            **({"batch": each.batch} if each.batch is not None else {}),
        }
        for each in plan.requests
    ]
    reports = [each._asdict() for each in plan.reports]
    found = {"outcome": plan.outcome.value, "reason": plan.reason, "requests": requests, "reports": reports}
    return cast("JsonObject", found)


def _words(query: str) -> set[str]:
    words = _stems(query[:LONGEST_QUERY])
    if not words:
        raise ToolError("Write some words to search for, such as: unix seconds.")
    return words


def _stems(text: str) -> set[str]:
    return set(map(_stem, WORDS.findall(text.lower())))


def _stem(word: str) -> str:
    """Return a word without the ending of a plural: `hashes` finds `hash`."""
    return PLURAL.sub(r"\1", word) if len(word) > SHORTEST_PLURAL else word


def _function_rank(name: str, words: set[str], other: str | None) -> int:
    function = FUNCTIONS[name]
    named = words & {*map(_stem, (name, *name.split("_")))}
    about = words & _stems(f"{function.about} {function.group}")
    return 10 * len(named) + len(about) + 20 * (name == other)


def _function_json(name: str) -> JsonObject:
    function = FUNCTIONS[name]
    found = {
        "name": name,
        "about": function.about,
        "takes": sorted(function.takes),
        "gives": sorted(function.gives),
        "parameters": [
            {"name": each.name, "about": each.about, "required": each.required} for each in function.parameters
        ],
        "examples": [
            {"given": each.given, "parameters": dict(each.parameters), "gives": each.gives, "reason": each.reason}
            for each in function.examples
        ],
    }
    return cast("JsonObject", found)


def _sections() -> Iterator[Section]:
    for path in sorted(bundled("docs").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        # Of the same length, so that what is found there stands there.
        outside = FENCED.sub(lambda block: " " * len(block[0]), text)
        headings = list(HEADING.finditer(outside))
        for number, heading in enumerate(headings):
            end = headings[number + 1].start() if number + 1 < len(headings) else len(text)
            yield Section(path.stem, heading[1], text[heading.end() : end].strip())


def _section_rank(section: Section, words: set[str]) -> float:
    """Return how well a section fits: how many of the words it has, then how often, its title first."""
    counts = Counter(map(_stem, WORDS.findall(section.text.lower())))
    title = _stems(section.title)
    titled = words & title
    held = [word for word in words if counts[word]]
    if not titled and not held:
        return 0
    whole = len(titled) / len(title) if titled else 0.0
    return 8 * len(titled) + 3 * whole + 3 * len(held) + sum(min(counts[word], 5) for word in held) / 10
