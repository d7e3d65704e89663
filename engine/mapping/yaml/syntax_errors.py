"""Explanations of YAML syntax errors, in terms of what the author wrote.

libyaml reports where parsing failed ("did not find expected ',' or '}'"), which is rarely the author's mistake. This
module interprets its few messages by the text around the place: usually a path needs quotes, the indentation is wrong,
or a bracket or quote is not closed. It does not parse YAML; it looks at one or two lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.mapping.problems import Message
from engine.mapping.yaml.document import Point, Spot
from engine.mapping.yaml.refusals import PAIRS, quoted, tag, whole_text

LONGEST_LINE = 1000
NAMES = {"[": "[ ]", "{": "{ }"}
TAG = re.compile(r"(?:^|[\s\[{,])(!\S*)\s*$")
CALL = re.compile(r"(?<=[\s\[{,])(\w+)\((?=.*[,'\"])")
FIRST_KEY = re.compile(r"(?:\s|- )*(?:'[^']*'|\"[^\"]*\"|[^\s'\"][^:]*?):\s+")
TAG_CONTEXTS = ("while scanning a tag", "while parsing a tag")


class Explanation(NamedTuple):
    """What a syntax error means for the author, and where it is."""

    spot: Spot
    message: Message


@dataclass(frozen=True, slots=True)
class SyntaxFault:
    """PyYAML's report of a syntax error, and the events that the reader saw last."""

    context: str
    context_mark: Spot | None
    problem: str
    problem_mark: Spot
    last_scalar: Any
    open_flow: Spot | None
    lines: list[str]

    @classmethod
    def of(cls, error: Any, last_scalar: Any, open_flow: Spot | None, text: str) -> SyntaxFault:
        """Make a fault from PyYAML's error; long lines are cut, since patterns search them."""
        lines = [line[:LONGEST_LINE] for line in text.splitlines()]
        return cls(error.context, error.context_mark, error.problem, error.problem_mark, last_scalar, open_flow, lines)

    def line(self, spot: Spot) -> str:
        """Return the line at `spot`, or '' at the end of the file."""
        return self.lines[spot.line] if spot.line < len(self.lines) else ""

    def character(self, spot: Spot) -> str:
        """Return the character at `spot`, or '' at the end of a line."""
        return self.line(spot)[spot.column : spot.column + 1]

    @property
    def start(self) -> Spot:
        """The start of the construct that could not be parsed."""
        return self.context_mark or self.problem_mark


def explain(fault: SyntaxFault) -> Explanation:
    """Return what is wrong, where, and what to do."""
    if fault.context in TAG_CONTEXTS:
        return _tagged(fault)
    if fault.context and "directive" in fault.context:
        return _percent(fault)
    for problem, explainer in EXPLANATIONS:
        if fault.problem.startswith(problem) and (found := explainer(fault)) is not None:
            return found
    return _explained("yaml-syntax", fault.problem_mark, f"This is not YAML: {fault.problem}.")


def _explained(code: str, spot: Spot, message: str, advice: str = "") -> Explanation:
    return Explanation(spot, Message(code, message, advice))


def _needs_quotes(fault: SyntaxFault, spot: Spot, message: str) -> Explanation:
    return _explained(
        "needs-quotes", spot, message, f"Put the whole text in quotes: {quoted(_whole_text(fault, spot))}."
    )


def _whole_text(fault: SyntaxFault, spot: Spot) -> str:
    before = re.sub(r"'[^']*'|\"[^\"]*\"", "", fault.line(spot)[: spot.column])
    opened = sum(map(before.count, "[{")) > sum(map(before.count, "]}"))
    return whole_text(fault.line(spot), spot.column, flow=opened or fault.open_flow is not None)


def _escape(fault: SyntaxFault) -> Explanation:
    line, column = fault.line(fault.problem_mark), fault.problem_mark.column
    at = line.rfind("\\", 0, column + 1)
    spot = Point(fault.problem_mark.line, at)
    if "Unicode" in fault.problem:
        advice = "Write the character itself."
        return _explained("bad-escape", spot, f"{line[at : at + 6]} is half of a character.", advice)
    advice = "In single quotes a backslash is literal; in double quotes write \\\\."
    return _explained("bad-escape", spot, f"{line[at : at + 2]} has no meaning inside double quotes.", advice)


def _open_quote(fault: SyntaxFault) -> Explanation:
    quote = fault.character(fault.start)
    twice = "''" if quote == "'" else '\\"'
    return _explained(
        "not-closed",
        fault.start,
        f"The quote {quote} that opens here is never closed.",
        f"Close it; inside these quotes, write a quote as {twice}.",
    )


def _in_flow(fault: SyntaxFault) -> Explanation | None:
    """`,` or a closing bracket was expected inside [ ] or { }."""
    brackets = NAMES.get(fault.character(fault.start), "[ ]")
    scalar, character = fault.last_scalar, fault.character(fault.problem_mark)
    if scalar is not None and not scalar.style and character in ("{", "[") and _ends_at(scalar, fault.problem_mark):
        if scalar.value.endswith("$"):
            return _needs_quotes(fault, scalar.start_mark, f"`${{...}}` inside {brackets} needs quotes.")
        return _needs_quotes(fault, scalar.start_mark, f"A text with {character} in it needs quotes inside {brackets}.")
    return _cut_call(fault, brackets) or _after_quote(fault) or _no_comma(fault, brackets) or _not_closed(fault)


def _no_comma(fault: SyntaxFault, brackets: str) -> Explanation | None:
    """`{ from: a default: 3 }`: the second colon belongs to a key that YAML took for more of the text before it."""
    before = fault.line(fault.problem_mark)[: fault.problem_mark.column]
    word = re.search(r"(?<=\s)([\w.-]+)\Z", before)
    if word is None or fault.character(fault.problem_mark) != ":":
        return None
    spot = Point(fault.problem_mark.line, word.start())
    advice = f"Entries of {brackets} need a comma between them; a text with `: ` in it needs quotes."
    return _explained("not-closed", spot, f"A comma is missing before {quoted(word.group())}.", advice)


def _ends_at(scalar: Any, spot: Spot) -> bool:
    return (scalar.end_mark.line, scalar.end_mark.column) == (spot.line, spot.column)


def _cut_call(fault: SyntaxFault, brackets: str) -> Explanation | None:
    """`[join(', ', a)]`: YAML interpreted a comma or quote of a function call."""
    call = CALL.search(fault.line(fault.start), fault.start.column + 1)
    if call is None:
        return None
    spot = Point(fault.start.line, call.start())
    return _needs_quotes(fault, spot, f"A text with a comma or a quote in it needs quotes inside {brackets}.")


def _after_quote(fault: SyntaxFault) -> Explanation | None:
    """`'a' == b`: YAML interpreted the first quotes."""
    scalar = fault.last_scalar
    if scalar is None or scalar.style not in ("'", '"') or scalar.end_mark.line != fault.problem_mark.line:
        return None
    if fault.line(fault.problem_mark)[scalar.end_mark.column : fault.problem_mark.column].strip():
        return None
    return _needs_quotes(fault, scalar.start_mark, "Text continues after the closing quote.")


def _after_bracket(fault: SyntaxFault) -> Explanation | None:
    before = fault.line(fault.problem_mark)[: fault.problem_mark.column].rstrip()
    if not before.endswith(("]", "}")):
        return None
    advice = f"A text that begins with {'[' if before[-1] == ']' else '{'} needs quotes around the whole."
    return _explained("needs-quotes", fault.problem_mark, f"Text continues after the closing {before[-1]}.", advice)


def _not_closed(fault: SyntaxFault) -> Explanation:
    opening, character = fault.character(fault.start), fault.character(fault.problem_mark)
    closing = PAIRS.get(opening, "]")
    if character in ("]", "}") and character != closing:
        where = f"line {fault.start.line + 1}, column {fault.start.column + 1}"
        message = f"The {opening} at {where} is closed by {character}."
        return _explained("not-closed", fault.problem_mark, message, f"Close it with {closing}.")
    return _open_bracket(fault, fault.start)


def _open_bracket(fault: SyntaxFault, spot: Spot) -> Explanation:
    opening = fault.character(spot)
    advice = f"Close it with {PAIRS.get(opening, ']')}; its entries need a comma between them."
    return _explained("not-closed", spot, f"The {opening} that opens here is not closed.", advice)


def _first_character(fault: SyntaxFault) -> Explanation:
    character = fault.character(fault.problem_mark)
    if character == "\t":
        return _tab(fault)
    if (continued := _after_quote(fault)) is not None:
        return continued
    return _needs_quotes(fault, fault.problem_mark, f"A text cannot begin with {character}.")


def _tab(fault: SyntaxFault) -> Explanation:
    return _explained("indentation", fault.problem_mark, "This line is indented with a tab.", "Indent with spaces.")


def _special(fault: SyntaxFault) -> Explanation:
    """A text that begins with `*`, `&`, `|` or `>`, or continues with one after a tag: `!a || b`."""
    before = TAG.search(fault.line(fault.start)[: fault.start.column])
    if before is not None:
        return _tag(fault, Point(fault.start.line, before.start(1)))
    if (continued := _after_quote(fault)) is not None:
        return continued
    return _needs_quotes(fault, fault.start, f"A text cannot begin with {fault.character(fault.start)}.")


def _tagged(fault: SyntaxFault) -> Explanation:
    return _tag(fault, fault.start)


def _tag(fault: SyntaxFault, spot: Spot) -> Explanation:
    return Explanation(spot, tag(_whole_text(fault, spot)))


def _second_colon(fault: SyntaxFault) -> Explanation:
    """`a: b: c`, or a line that is indented as part of the text above."""
    line, spot = fault.line(fault.problem_mark), fault.problem_mark
    first = FIRST_KEY.match(line[: spot.column])
    if first is not None:
        value = re.sub(r"\s+#.*", "", line[first.end() :]).strip()
        advice = f"Put the whole text in quotes: {quoted(value)}."
        return _explained("needs-quotes", Point(spot.line, first.end()), "A text with `: ` in it needs quotes.", advice)
    return _line_above(fault, line)


def _line_above(fault: SyntaxFault, line: str) -> Explanation:
    above = next((n for n in range(fault.problem_mark.line - 1, -1, -1) if fault.lines[n].strip()), 0)
    text = fault.lines[above]
    glued = re.match(r"(?:\s|- )*[\w.$-]+:(?=\S)", text)
    if glued is not None:
        return _explained("yaml-syntax", Point(above, glued.end() - 1), "A space is missing after the colon.")
    if not re.search(r":\s", text):
        spot = Point(above, len(text) - len(text.lstrip()))
        return _explained(
            "yaml-syntax", spot, "This line is not a key with a value.", "Put a colon and a space after the key."
        )
    message = f"This line is indented deeper than line {above + 1}, which already has a value."
    spot = Point(fault.problem_mark.line, len(line) - len(line.lstrip()))
    return _explained("indentation", spot, message, "Start it in the same column, or remove the value above.")


def _dash(fault: SyntaxFault) -> Explanation:
    advice = 'Start it on the next line, or write it as [a, b]; text that begins with "- " needs quotes.'
    return _explained("yaml-syntax", fault.problem_mark, "A list cannot begin here.", advice)


def _no_key(fault: SyntaxFault) -> Explanation:
    return _after_quote(fault) or _after_bracket(fault) or _indentation(fault)


def _indentation(fault: SyntaxFault) -> Explanation:
    spot = fault.problem_mark
    if spot.column != fault.start.column:
        message = f"This indentation (column {spot.column + 1}) matches no line above."
        return _explained("indentation", spot, message, "Align it with the lines it belongs to.")
    if "'-'" in fault.problem:
        message, advice = "This key is among the entries of a list.", "They began on line {}, with `- `."
    else:
        message, advice = "This list entry is among the keys of a mapping.", "They began on line {}."
    return _explained("indentation", spot, message, advice.format(fault.start.line + 1))


def _no_colon(fault: SyntaxFault) -> Explanation:
    advice = "Put a colon and a space after a key; indent text that continues the line above."
    return _explained("yaml-syntax", fault.start, "This line is not a key with a value.", advice)


def _no_value(fault: SyntaxFault) -> Explanation:
    character = fault.character(fault.problem_mark)
    if not character and fault.open_flow is not None:
        return _open_bracket(fault, fault.open_flow)
    if character == ",":
        return _explained("yaml-syntax", fault.problem_mark, "A value is missing before the comma.")
    return _needs_quotes(fault, fault.problem_mark, f"A text cannot begin with {character}.")


def _last_colon(fault: SyntaxFault) -> Explanation:
    return _needs_quotes(fault, fault.start, "A text that ends with a colon needs quotes inside [ ] and { }.")


def _percent(fault: SyntaxFault) -> Explanation:
    return _explained("needs-quotes", fault.start, "A line cannot begin with %.", "Put the key in quotes.")


def _after_end(fault: SyntaxFault) -> Explanation:
    return _explained(
        "yaml-syntax", fault.problem_mark, "Text continues after the end of the document.", "Remove the `...`."
    )


EXPLANATIONS: list[tuple[str, Callable[[SyntaxFault], Explanation | None]]] = [
    ("found unknown escape character", _escape),
    ("did not find expected hexdecimal number", _escape),
    ("found invalid Unicode character escape code", _escape),
    ("found unexpected end of stream", _open_quote),
    ("found unexpected document indicator", _open_quote),
    ("did not find expected ',' or", _in_flow),
    ("found character that cannot start any token", _first_character),
    ("found a tab character", _tab),
    ("did not find expected alphabetic or numeric character", _special),
    ("did not find expected comment or line break", _special),
    ("found an indentation indicator equal to 0", _special),
    ("found undefined tag handle", _tagged),
    ("mapping keys are not allowed", _first_character),
    ("mapping values are not allowed", _second_colon),
    ("block sequence entries are not allowed", _dash),
    ("did not find expected key", _no_key),
    ("did not find expected '-' indicator", _no_key),
    ("could not find expected ':'", _no_colon),
    ("did not find expected node content", _no_value),
    ("found unexpected ':'", _last_colon),
    ("did not find expected <document start>", _after_end),
]
