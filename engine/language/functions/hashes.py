"""Hashes: sha256, sha1, md5, in lowercase hex, as vendors' matching APIs expect them.

A value that already is such a digest is kept, because sites often hash in the browser, and a digest of a digest
matches no one.  Empty text is refused: its digest would make everyone without an address the same person.
SHA-1 and MD5 are here because vendors ask for them, not to protect anything.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.language.functions.arguments import bytes_from, text_from
from engine.language.functions.model import NUMBER, TEXT, CannotConvert, Example, Function, Parameter
from engine.language.texts import LONE_SURROGATE
from engine.records import Json

_HEX = "0123456789abcdefABCDEF"
_NORMALIZE = Parameter(
    name="normalize",
    about="What to do first: `email` trims and lowercases; `phone` keeps the digits and a leading `+`.",
    default="none",
    choices=("none", "email", "phone"),
)


def _phone(text: str) -> str:
    text = text.strip()
    digits = "".join(digit for digit in text if "0" <= digit <= "9")
    if not digits:
        raise CannotConvert("no digits")
    return "+" + digits if text.startswith("+") else digits


def _email(text: str) -> str:
    return text.strip().lower()


_NORMALIZERS: dict[str, Callable[[str], str]] = {"none": str, "email": _email, "phone": _phone}


def _hasher(algorithm: str, size: int) -> Callable[[str], Callable[[Json], Json]]:
    def hashing(normalize: str) -> Callable[[Json], Json]:
        import hashlib

        prepare = _NORMALIZERS[normalize]

        def hashed(value: Json) -> Json:
            text = value if type(value) is str else text_from(value)
            if len(text) == size and not text.strip(_HEX):
                return text.lower()
            text = prepare(text)
            if not text:
                raise CannotConvert("empty text is not hashed")
            return hashlib.new(algorithm, bytes_from(text), usedforsecurity=False).hexdigest()

        return hashed

    return hashing


def _function(name: str, size: int, source: str, ada: str, phone: str) -> Function:
    """Return the entry of one algorithm; `ada` is the digest of `ada@example.com`, `phone` that of `+14155550100`."""
    return Function(
        name=name,
        group="hashes",
        about=f"The {name.upper()} digest of the text as UTF-8, in {size} lowercase hex digits. A digest is kept.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        parameters=(_NORMALIZE,),
        examples=(
            Example("ada@example.com", ada),
            Example(" Ada@Example.com ", ada, {"normalize": "email"}),
            Example("+1 (415) 555-0100", phone, {"normalize": "phone"}),
            Example(ada.upper(), ada, {"normalize": "email"}),
            Example("", reason="empty text is not hashed"),
            Example("none", parameters={"normalize": "phone"}, reason="no digits"),
            Example("\ud83d", reason=LONE_SURROGATE),
            Example([], reason="a list is not text"),
        ),
        call=_hasher(name, size),
        source=source,
    )


FUNCTIONS = (
    _function(
        "sha256",
        64,
        "https://csrc.nist.gov/pubs/fips/180-4/upd1/final",
        ada="b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72",
        phone="40d3f4e02db27d66cf4cfdda506c2c945f115a7955cc8491dda98ce5beabcda0",
    ),
    _function(
        "sha1",
        40,
        "https://csrc.nist.gov/pubs/fips/180-4/upd1/final",
        ada="3ca93ad87e0bb737e653b66ad67731e86bbc050f",
        phone="069e175e2bdfaf2779e43bb10dee192f77a47cc9",
    ),
    _function(
        "md5",
        32,
        "https://www.rfc-editor.org/rfc/rfc1321",
        ada="3e3417d7ef77d5932a6734b916515ed5",
        phone="206a9261d821e93b22b142dd37e59d9d",
    ),
)
