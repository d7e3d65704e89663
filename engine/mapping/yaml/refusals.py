"""What the YAML reader says when it refuses something: code, message, advice, one a refusal.

Apart from the reader, so that the words can be read (and put better) without reading how they come about.
"""

from __future__ import annotations

import re

from engine.mapping.problems import Message

PAIRS = {"[": "]", "{": "}", "(": ")"}
END_OF_TEXT = re.compile(r":\s|\s#")


FILE_MISSING = Message("file-missing", "There is no such file.")
FILE_IS_DIRECTORY = Message("file-is-directory", "This is a folder, not a file.", "Name the files in it.")
TOO_LARGE = Message("too-large", "The file is larger than 1 MiB.", "Take data out of it.")
EMPTY_FILE = Message("empty-file", "There is nothing in this file.")
SEVERAL_DOCUMENTS = Message(
    "several-documents", "A second document begins here.", "Take the --- out; every destination has its own file."
)
MERGE_KEY = Message(
    "merge-key",
    "This is a merge key (<<).",
    "A part holds what several places share, and `merge` makes one object of several.",
)


def file_unreadable(reason: str) -> Message:
    return Message("file-unreadable", f"The file cannot be read: {reason}.")


def not_utf8(byte: int) -> Message:
    return Message("not-utf8", f"The byte 0x{byte:02X} here is not UTF-8.", "Save the file as UTF-8.")


def not_printable(point: int) -> Message:
    advice = f'Take it out, or write it as "\\u{point:04X}" in double quotes.'
    return Message("not-printable", f"The character U+{point:04X} may not stand in YAML.", advice)


def too_deep(most: int) -> Message:
    return Message("too-deep", f"Lists and mappings are nested deeper than {most} here.")


def anchor(name: str) -> Message:
    advice = "Make a part of what several places share; a text that begins with & needs quotes."
    return Message("anchor", f"This is an anchor (&{name}).", advice)


def alias(name: str) -> Message:
    advice = f'Make a part of what several places share; a text that begins with * needs quotes: "*{name}".'
    return Message("alias", f"This is an alias (*{name}).", advice)


def key_not_text(kind: str, key: str | None = None) -> Message:
    message = f"This key is {kind}, not text."
    if key is None:
        advice = "Put the key in quotes; for a key that a setting names, write ${settings.name}."
        return Message("key-not-text", message, advice)
    return Message("key-not-text", message, f'Put it in quotes: "{key}".')


def duplicate_key(key: str, line: int) -> Message:
    return Message("duplicate-key", f'The key "{key}" is already there, in line {line}.', "Take one of the two out.")


def key_without_value(key: str) -> Message:
    advice = "A comma inside { } begins the next key: put a text with a comma in it in quotes."
    return Message("key-without-value", f'The key "{key}" has no value.', advice)


def number_range(kind: str) -> Message:
    return Message("number-range", f"This {kind} does not fit into 64 bits.", "Put it in quotes if it is an id.")


def capital_word(text: str) -> Message:
    advice = f'Write {text.lower()}, or "{text}" in quotes if you mean the text.'
    return Message("capital-word", f"{text} is text here.", advice, "warning")


def plain_tag(tag: str) -> Message:
    return Message("tag", f"This is a tag ({tag}), and tags are not allowed.", "Take it out.")


def tag(text: str) -> Message:
    """Say what to do about a text that begins with `!`."""
    message = "A text cannot begin with !: YAML takes it for a tag, and tags are not allowed."
    advice = f"For `when` write `unless` without the !; else put the whole text in quotes: {quoted(text)}."
    return Message("tag", message, advice)


def whole_text(line: str, start: int, *, flow: bool) -> str:
    """Return the text at `start` as its author meant it: brackets and quotes in it belong to it.

    `flow` says that it stands inside [ ] or { }, so that a comma ends it.
    """
    closing: list[str] = []
    for at in range(start, len(line)):
        character = line[at]
        if closing and character == closing[-1]:
            closing.pop()
        elif closing and closing[-1] in "'\"`":
            continue
        elif character in "'\"`":
            closing.append(character)
        elif character in PAIRS:
            closing.append(PAIRS[character])
        elif not closing and at > start and ((flow and character in ",]}") or END_OF_TEXT.match(line, at)):
            return line[start:at].strip()
    return line[start:].strip()


def quoted(text: str) -> str:
    """Write `text` as a quoted YAML text."""
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"
