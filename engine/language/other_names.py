"""What other tools and languages call our functions, for advice where such a word is met.

`FUNCTIONS` gives the name of ours; `ADVICE` is for words that are not a function here. Both are tried before *did you
mean*, which compares letters. Spelling differences (`toLower`, `to_lower`) are ignored.
"""

from __future__ import annotations

_TABLE = """
lowercase: lower tolower tolowercase lcase downcase lowered
uppercase: upper toupper touppercase ucase upcase
capitalize: capitalise ucfirst
trim: strip stripwhitespace
camel_case: camelize camel
snake_case: underscore snakeize snake
integer: int toint tointeger parseint long
number: float tofloat parsefloat double decimal num tonumber numeric
string: str tostr tostring text totext
boolean: bool tobool toboolean
iso8601: iso isodate toiso toisostring isotime datetime rfc3339
unix_seconds: epoch unixtimestamp epochseconds seconds
unix_ms: epochms millis milliseconds epochmillis unixmillis
date: strftime formatdate dateformat formattime
truncate: left maxlength cut
pattern_replace: regexreplace gsub replaceall rereplace
split: explode
join: implode
json: tojson jsonencode stringify jsonstringify jsondumps serialize
parse_json: fromjson jsondecode jsonparse jsonloads deserialize
base64: b64 b64encode base64encode tobase64
url_encode: urlencode encodeuricomponent urlquote percentencode escapeuri
sha256: hash sha sha2
unique: uniq distinct dedupe
average: avg mean
ceil: ceiling roundup
floor: rounddown
pairs: toentries
to_list: list aslist toarray wrap
url_host: hostname domain
url_query: parseqs queryparams
first: head
"""
FUNCTIONS = {
    other: ours
    for ours, others in (line.split(":") for line in _TABLE.strip().splitlines())
    for other in others.split()
}
"""Our function by what others call it, in lowercase and without `_`."""

_TEXT = 'To join texts, write { text: "${properties.first} ${properties.last}" }.'
_CHOICE = "To take the first value that is present, write a list: [properties.a, properties.b]."
_CLOCK = "There is no clock in a mapping: use the paths timestamp (when it happened) or receivedAt."
_BEGINNING = "For the beginning of a text, write as: { truncate: 10 }; for other pieces, as: { pattern_replace: ... }."
_LENGTH = "For a list, write as: count; for text, the path length(properties.name)."
_CONDITION = "For a value on a condition, write a choice: [{ from: properties.a, when: properties.b }, properties.c]."

ADVICE = {
    **dict.fromkeys(("concat", "concatenate", "append", "strcat"), _TEXT),
    **dict.fromkeys(("coalesce", "ifnull", "nvl", "firstnonnull", "notnull", "firstof"), _CHOICE),
    **dict.fromkeys(("now", "today", "utcnow", "getdate", "currenttime", "currenttimestamp"), _CLOCK),
    **dict.fromkeys(("substring", "substr", "slice", "mid"), _BEGINNING),
    **dict.fromkeys(("len", "length", "size", "strlen"), _LENGTH),
    **dict.fromkeys(("if", "iff", "ifelse", "case", "switch", "ternary"), _CONDITION),
    **dict.fromkeys(("uuid", "guid", "uuid4", "randomuuid"), "For an ID of the event, use the path messageId."),
}
"""What to do instead of what has no function here."""

EVENT_FIELDS = {"eventName": "event", "event_name": "event", "eventname": "event", "user": "userId"}
"""Fields of events by the names that others give them, which are not near enough to be guessed."""


def function_named(word: str) -> str | None:
    """Return the name of our function for another tool's word, or None."""
    return FUNCTIONS.get(_plain(word))


def advice_for(word: str) -> str:
    """Return what to do instead of a word that is no function here, or ''."""
    return ADVICE.get(_plain(word), "")


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
