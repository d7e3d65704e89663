"""What is wrong with an invalid path, in terms of what its author wrote.

Quotes, literals and nesting are checked before the jmespath library sees the text: its lexer accepts literals
that are not JSON (with a warning), and its parser recurses as deep as the text nests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple, NoReturn, TypeAlias

from engine.errors import PathError
from engine.records import LARGEST_INTEGER, SMALLEST_INTEGER

Node: TypeAlias = dict[str, Any]

MOST_OPENINGS = 500
LONGEST = 10_000
DEEPEST = 50  # brackets in brackets: the parser needs up to ten Python frames for each
TALLEST = 100  # levels of the tree: walking it needs a few Python frames for each
LONGEST_NAME = 100  # quoted in a sentence
MOST_COPIES = 1000  # of one value: `a | [@, @] | [@, @] | ...` doubles it again and again

NAMES = ("unquoted_identifier", "quoted_identifier")
OPENING = {"lparen": "(", "lbracket": "[", "filter": "[?", "lbrace": "{"}
CLOSING = ("rparen", "rbracket", "rbrace")
COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_CHOICES = ("or_expression", "and_expression", "not_expression", "comparator")
_ENDS_PROJECTION = ("comma", "pipe", "or", "and", *COMPARISONS)
_OPERATORS = {"and": "&&", "or": "||", "not": "!"}
_WORDS = {
    **dict.fromkeys(("is", "IS"), "== `null` to find what is missing"),
    **dict.fromkeys(("like", "LIKE", "contains", "includes", "matches"), "contains(event, 'text')"),
}
"""What other languages write between two values, and what to write here."""
_TYPOGRAPHIC = "\u2018\u2019\u201c\u201d"
"""Curly quotes, as word processors write them."""
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|(['"`])""", re.DOTALL)


class Token(NamedTuple):
    """A token of a path: the library's name for its kind, its value, and its column from 1."""

    kind: str
    value: Any
    column: int


def check_text(text: str) -> None:
    """Refuse empty and oversized texts, open quotes, and literals that are not JSON."""
    if not text.strip():
        raise PathError("The path is empty.", 1)
    if len(text) > LONGEST:
        raise PathError(f"The path has {len(text):,} characters; the limit is {LONGEST:,}.", LONGEST + 1)
    inner = text.strip()[2:-2].strip()
    if inner and text.strip().startswith("{{") and text.strip().endswith("}}"):
        raise PathError(f"A path stands without braces. Write {inner}.", 1)
    if braced := re.fullmatch(r"\s*\{\s*([A-Za-z_][\w.]*)\s*(\})?\s*", text):  # `{x` is what `${{x}}` has inside
        name = braced.group(1) if braced.group(2) else f"${{{braced.group(1)}}}"
        raise PathError(f"A path stands without braces. Write {name}.", text.index("{") + 1)
    for match in _QUOTED.finditer(text):
        quote, column = match.group(1), match.start() + 1
        if quote:
            raise PathError(f"The quote {quote} is never closed.", column)
        if match.group().startswith("`"):
            _check_literal(match.group()[1:-1].replace("\\`", "`"), column)
        elif match.group().startswith('"'):
            _check_name(match.group(), column)


def _check_literal(text: str, column: int) -> None:
    if text.count("[") + text.count("{") > MOST_OPENINGS:  # how deep `json` can read depends on the version of Python
        raise too_deep(column)
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise too_deep(column) from None
    except ValueError:
        shown = text.strip()
        advice = f" For text, write '{shown}'." if re.fullmatch(r"[\w -]+", shown) else ""
        raise PathError(f"`{shown[:40]}` is not JSON.{advice}", column) from None
    _check_numbers(value, column)


def _check_name(quoted: str, column: int) -> None:
    try:
        json.loads(quoted)
    except ValueError:
        raise PathError(
            f"{quoted[:40]} is not a valid name: inside double quotes, write \\\\ for \\.", column
        ) from None


def _no_constant(_name: str) -> NoReturn:
    raise ValueError


def _check_numbers(value: object, column: int, depth: int = 0) -> None:
    """Refuse what JSON cannot represent: writing an event's body would fail, long after this."""
    if depth > DEEPEST:
        raise too_deep(column)
    if type(value) is int and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise PathError("A number in this literal is too large: it must fit in 64 bits.", column)
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise PathError("A number in this literal is too large: it must fit in 64 bits.", column)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            _check_numbers(member, column, depth + 1)


def check_tokens(tokens: Sequence[Token]) -> None:
    """Refuse deep nesting, lone surrogates and quoted function names."""
    levels = [[0, 0]]
    for number, token in enumerate(tokens):
        if token.kind in ("literal", "quoted_identifier") and "\\u" in json.dumps(token.value):
            _check_surrogates(token)
        if token.kind == "quoted_identifier" and tokens[number + 1].kind == "lparen":
            raise PathError(f"A function name is not quoted: write {token.value}(...).", token.column)
        _nest(levels, token)
        if levels[-1][1] > DEEPEST:
            raise too_deep(token.column)


def _check_surrogates(token: Token) -> None:
    try:
        json.dumps(token.value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise PathError("This text contains a lone surrogate, which JSON cannot represent.", token.column) from None


def _nest(levels: list[list[int]], token: Token) -> None:
    """Track how deep the parser would recurse; each open bracket has its first depth and its current one."""
    level = levels[-1]
    if token.kind in OPENING:
        levels.append([level[1] + 1, level[1] + 1])
    elif token.kind in CLOSING and len(levels) > 1:
        levels.pop()
        levels[-1][1] += token.kind == "rbracket"  # what follows a projection is parsed inside it
    elif token.kind in ("not", "star", "flatten"):
        level[1] += 1
    elif token.kind == "expref":
        level[0] = level[1] = level[1] + 1
    elif token.kind in _ENDS_PROJECTION:
        level[1] = level[0]


def check_tree(tree: Node) -> None:
    """Refuse a tree that is too tall to be walked, which long chains of operators make."""
    level, height = [tree], 0
    while level:
        height += 1
        if height > TALLEST or any(
            node["type"] == "subexpression" and len(node["children"]) > TALLEST for node in level
        ):
            raise too_deep(1)  # no event is that deep
        level = [child for node in level for child in node.get("children", ()) if isinstance(child, dict)]
    if copies(tree) > MOST_COPIES:
        raise PathError(f"The path could copy a value more than {MOST_COPIES:,} times.", 1)


def copies(node: Node) -> int:
    """Return how many copies of the current value a node can make at most."""
    counts = [copies(child) for child in node.get("children", ()) if isinstance(child, dict)]
    if node["type"] in ("multi_select_list", "multi_select_dict"):
        return max(1, sum(counts))
    return max(counts, default=1) if node["type"] in _CHOICES else prod(counts)


def too_deep(column: int) -> PathError:
    """Return the error for deep nesting."""
    return PathError("The path is nested too deeply. Name a piece of it under parts and use that.", column)


def unreadable(text: str, position: int) -> PathError:
    """Return the error for a character that no token starts with (`position` counts from 0)."""
    character, column = text[position], position + 1
    near = text[max(0, position - LONGEST_NAME) : position]  # searching for an end takes the square of the length
    before = re.search(r"[\w-]*\Z", near, re.ASCII).group()  # type: ignore[union-attr]
    name = before + re.match(r"[\w-]*", text[position : position + LONGEST_NAME]).group()  # type: ignore[union-attr]
    if name and name != "-" and text[: position - len(before)].rstrip().endswith(("==", "!=")):
        return PathError(f"For text, use single quotes: '{name}'.", column)
    if name != "-" and (character == "-" or character.isalpha()):
        return PathError(f'A name with {character} in it needs double quotes: "{name}".', column)
    if character in _TYPOGRAPHIC:
        quoted = re.match(f".([^{_TYPOGRAPHIC}]*)", text[position:]).group(1)  # type: ignore[union-attr]
        return PathError(f"Quotes in a path are straight. For text, use single quotes: '{quoted}'.", column)
    if character in "+-/":
        return PathError(calculation(text, position), column)
    if text[position : position + 2] == "=~":
        return PathError("A path has no patterns. Write a part with as: { matches: ... }, and use that.", column)
    if character == "=":
        return PathError("Write == to compare.", column)
    if character == "?":
        return PathError(_question(text, position), column)
    if character == "$" and (found := re.match(r"\$\.?([A-Za-z_].*)", text[position:], re.DOTALL)):
        return PathError(f"A path has no $. Write {found.group(1)}.", column)
    if character == "$":
        return PathError("Write a path without ${ }, which is for values inside text.", column)
    return PathError(f"{character} has no meaning in a path.", column)


def calculation(text: str, position: int) -> str:
    """Word `a + b`, `a * 2` and the like, which no path computes."""
    sign, left, right = text[position], text[:position].strip(), text[position + 1 :].strip()
    if sign == "/" and not left:
        return f"Names are joined by dots. Write {right.replace('/', '.')}."
    plain = [bool(re.fullmatch(r"[A-Za-z_][\w.]*", side)) for side in (left, right)]
    number = re.fullmatch(r"`?(\d+(?:\.\d+)?)`?", right)
    if number and plain[0] and sign != "/":
        function = {"+": "add: ", "-": "add: -", "*": "multiply: "}[sign]
        return f"A path does not calculate. Write {{ from: {left}, as: {{ {function}{number.group(1)} }} }}."
    if sign == "+" and all(plain):
        texts = f'for text, {{ text: "${{{left}}}${{{right}}}" }}'
        return f"A path does not calculate. Write {{ list: [{left}, {right}], as: sum }}; {texts}."
    if sign == "*" and all(plain):
        return f"A path does not calculate. Write {{ list: [{left}, {right}], as: product }}."
    if sign == "-" and all(plain):
        minus = f"{{ from: {right}, as: {{ multiply: -1 }} }}"
        return f"A path does not calculate. Write {{ list: [{left}, {minus}], as: sum }}."
    return "A path does not calculate, and joins no texts. Use the functions of as, or a `text`."


def _question(text: str, position: int) -> str:
    """Word `a ? b : c`, `a ?? b` and `a?.b`."""
    if text[position : position + 2] == "?." or not text[position + 1 :].strip():
        return f"What is missing is absent anyway. Write {text.replace('?', '')}."
    if text[position : position + 2] == "??":
        left, right = text[:position].strip(), text[position + 2 :].strip()
        return f"A path has no ??. Write a list of values: [{left}, {right}]."
    condition, one, other = (part.strip() for part in (*re.split("[?:]", text, maxsplit=2), "", "")[:3])
    if not (condition and one and other):
        return "A path has no ?. Write a choice whose entries have `when`."
    return f"A path has no ? and :. Write a choice: [{{ from: {one}, when: {condition} }}, {other}]."


def misplaced(text: str, tokens: Sequence[Token], column: int) -> PathError:
    """Return the error for the token at a column, which cannot stand there."""
    number = next((number for number, token in enumerate(tokens) if token.column == column), len(tokens) - 1)
    token = tokens[number]
    if token.kind == "eof":
        return PathError(_incomplete(tokens), column)
    if token.value == "not" and tokens[number + 1].value == "in":
        return PathError(_in(text, tokens, number + 1), column)
    if token.kind == "unquoted_identifier" and token.value.lower() in _OPERATORS:
        return PathError(f"Write {_OPERATORS[token.value.lower()]} instead of {token.value}.", column)
    if token.kind == "number" and (number == 0 or tokens[number - 1].kind in COMPARISONS):
        return PathError(f"Write numbers in backquotes: `{_number(text, column)}`.", column)
    if number == 0:
        return PathError(f"A path cannot start with {_shown(token)}.", column)
    return PathError(_of_other_languages(text, tokens, number) or _between(tokens[number - 1], token), column)


def _number(text: str, column: int) -> str:
    """Return the whole number at a column: the lexer ends it before the point."""
    found = re.match(r"-?\d+(\.\d+)?", text[column - 1 :])
    return found.group() if found else ""


def _of_other_languages(text: str, tokens: Sequence[Token], number: int) -> str:
    """Word what is right in another language, or ''."""
    before, token = tokens[number - 1], tokens[number]
    rest = text[token.column - 1 :].strip()
    if before.kind in NAMES and before.value.lower() == "not":
        return f"Write ! instead of {before.value}: !{rest}."
    if token.kind == "star" and before.kind in (*NAMES, "rbracket", "rparen"):
        return calculation(text, token.column - 1)
    if before.kind == token.kind == "literal" and text[token.column - 2 : token.column] == "''":
        return "Write \\' for a quote inside text."
    if token.value == "in" and token.kind in NAMES:
        return _in(text, tokens, number)
    if token.value in _WORDS and token.kind in NAMES and before.kind in NAMES:
        return f"A path has no {token.value}. Write {_WORDS[token.value]}."
    if before.kind == "lt" and token.kind == "gt":
        return "Write != instead of <>."
    if token.kind == "expref":
        return "Write && instead of &."
    if before.kind == "lbracket" and number > 1 and tokens[number - 2].kind in NAMES:
        return _subscript(text, tokens, number)
    if before.kind in NAMES and token.kind in NAMES and tokens[number - 2].kind in COMPARISONS and number > 1:
        words = re.match(r"[\w ]+", text[before.column - 1 :])
        return f"For text, use single quotes: '{words.group().strip() if words else before.value}'."
    return ""


def _in(text: str, tokens: Sequence[Token], number: int) -> str:
    """Word `event in ['a', 'b']` and `event not in [...]`."""
    no = tokens[number - 1].value == "not"
    left, right = tokens[number - 1], text[tokens[number].column + 1 :].strip()
    start = next((each.column for each in reversed(tokens[:number]) if each.kind in ("and", "or", "not", "lparen")), 0)
    value = text[start + 1 if start else 0 : tokens[number].column - 1].strip(" &|!(") or str(left.value)
    value = value.removesuffix(" not") if no else value
    entries = right.partition("]")[0] + "]" if right.startswith("[") else "['a', 'b']"
    entries = re.sub(r"(?<=[\[,\s])([A-Za-z_]\w*)(?=\s*[,\]])", r"'\1'", entries.replace('"', "'"))
    return f"A path has no {'not ' * no}in. Write {'!' * no}contains({entries}, {value})."


def _ends(token: Token) -> bool:
    return token.kind not in (*NAMES, "dot")


def _subscript(text: str, tokens: Sequence[Token], number: int) -> str:
    """Word `properties['t']` and `properties[settings.x]`."""
    token, opened = tokens[number], tokens[number - 1]
    before = next((each.column + len(str(each.value)) for each in reversed(tokens[: number - 2]) if _ends(each)), 1)
    whole = text[before - 1 : opened.column - 1].strip(" &|!(")
    closing = next((each.column for each in tokens[number:] if each.kind == "rbracket"), 0)
    if token.kind in ("literal", "quoted_identifier") and isinstance(token.value, str):
        name = token.value if re.fullmatch(r"[A-Za-z_]\w*", token.value) else json.dumps(token.value)
        further = re.match(r"[\w.]*", text[closing:]).group() if closing else ""  # type: ignore[union-attr]
        return f"Brackets hold no names. Write {whole}.{name}{further}."
    inner = text[token.column - 1 : closing - 1] if closing else ""
    if any(each.kind in COMPARISONS and each.column < closing for each in tokens[number:]):
        return f"A filter begins with ?. Write {whole}[?{inner}]."
    if token.kind in NAMES and inner:
        return f"Brackets hold no paths. To look up a computed key, write {{ from: {inner}, map: {whole} }}."
    return ""


def _incomplete(tokens: Sequence[Token]) -> str:
    opened: list[Token] = []
    for token in tokens:
        if token.kind in OPENING:
            opened.append(token)
        elif token.kind in CLOSING and opened:
            opened.pop()
    if opened:
        return f"The {OPENING[opened[-1].kind]} in column {opened[-1].column} is never closed."
    return f"Something must follow {_shown(tokens[-2])}."


def _between(before: Token, token: Token) -> str:
    value = token.value
    if before.kind == "dot" and token.kind == "number":
        return f'A dot must be followed by a name. Write [{value}] for a list item, or quote a name: "{value}".'
    if before.kind == "dot":
        return f"A dot must be followed by a name, not {_shown(token)}."
    if before.kind in NAMES and token.kind in NAMES:
        return f'A name with a space in it needs double quotes: "{before.value} {value}".'
    if before.kind in NAMES and token.kind == "number":
        return f'A name with - in it needs double quotes: "{before.value}{value}".'
    if before.kind == "lbracket":
        return f"[ ] after a value takes a number, * or ?condition, not {_shown(token)}."
    return f"{_shown(token)} cannot follow {_shown(before)}."


def _shown(token: Token) -> str:
    return json.dumps(token.value, ensure_ascii=False) if token.kind == "literal" else f'"{token.value}"'
