"""The files of a backfill: which there are, what is in them, and which are not whole.

What a file is shows in its first bytes, never in its name. Files of this machine are looked at here; what has another
address (`s3a://`) is looked at by the user's own Spark, which has the credentials.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import unquote

import orjson

from engine.archive.catalog import EVENTS, Catalog
from engine.archive.catalog import FILE as CATALOG
from engine.archive.columns import METADATA_KEY
from engine.backfill.history import ARCHIVED, COLUMNS, DOCUMENTS, LINES
from engine.backfill.work import InputFile
from engine.errors import UsageError
from engine.events.json_repairs import BOM

MOST_FILES = 100_000
MOST_FAULTS = 20
"""Files that are read, and those that cannot be read and are named."""

HEAD = 64 * 1024
"""Bytes of a file that are looked at."""

LONGEST_DOCUMENT = 1024**3
"""Bytes of a file that has to be read as a whole."""

LONGEST_FOOTER = 16 * 1024 * 1024
"""Bytes of the end of a Parquet file that are looked at, to see whether an archive wrote it."""

PARQUET, GZIP = b"PAR1", b"\x1f\x8b"
SHORTEST_PARQUET = 12
LOCAL = "file"
UNFINISHED = ("_temporary", "_spark_metadata")
FOREIGN = {
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"ORC": "ORC",
    b"Obj\x01": "Avro",
    b"PK\x03\x04": "ZIP",
    b"BZh": "bzip2",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
DAMAGED = (
    "{file} of the archive cannot be read: {reason}. Restore it; or give up its events with "
    "engine archive check --forget."
)
WHAT_IS_READ = "a backfill reads Parquet, and JSON or NDJSON, also gzipped"


class FileStore(Protocol):
    """Where files are."""

    def files(self, address: str) -> Iterator[InputFile]:
        """Yield the file, or all files below the folder; raises UsageError if there is neither."""
        ...

    def part(self, file: InputFile, begin: int, size: int) -> bytes:
        """Return some bytes of a file; raises OSError."""
        ...


class HistoryFiles(NamedTuple):
    """All files, and the addresses of those of each kind as Spark takes them."""

    all: list[InputFile]
    kinds: dict[str, list[str]]


class LocalFiles:
    """Files of this machine; their addresses are absolute paths."""

    def files(self, address: str) -> Iterator[InputFile]:
        """Yield the file, or all files below the folder; raises UsageError if there is neither."""
        path = Path(local_path(address)).absolute()
        if is_archive(address):
            yield from _archived(path)
            return
        try:
            found = sorted(path.rglob("*")) if path.is_dir() else [path]
            for each in found:
                if each == path or each.is_file():
                    status = each.stat()
                    yield InputFile(str(each), status.st_size, status.st_mtime)
        except FileNotFoundError:
            raise UsageError(f"{address} does not exist; name a file of events, or a folder of them.") from None
        except OSError as error:
            raise UsageError(f"{address} cannot be read: {error.strerror}.") from None

    def part(self, file: InputFile, begin: int, size: int) -> bytes:
        """Return some bytes of a file."""
        with Path(file.path).open("rb") as stream:
            stream.seek(begin)
            return stream.read(size)


def _archived(directory: Path) -> Iterator[InputFile]:
    """Yield the files that count in an archive; raises UsageError for one that is damaged, and ArchiveError."""
    with Catalog.open(directory) as catalog:
        found = catalog.snapshot()
    for damaged in found.damaged:
        raise UsageError(DAMAGED.format(file=directory / damaged.path, reason=damaged.damaged))
    for each in found.files:
        file = directory / each.path
        try:
            status = file.stat()
        except OSError as error:
            raise UsageError(DAMAGED.format(file=file, reason=error.strerror)) from None
        yield InputFile(str(file), status.st_size, status.st_mtime)


def is_archive(address: str) -> bool:
    """Whether an address is the directory of an archive, of which only the files that its catalog lists count."""
    path = Path(local_path(address))
    return is_local(address) and (path / CATALOG).is_file() and (path / EVENTS).is_dir()


def local_path(address: str) -> str:
    """Return the path of an address of this machine."""
    scheme, colon, path = address.partition(":")
    return "/" + unquote(path).lstrip("/") if colon and scheme == LOCAL else address


def is_local(address: str) -> bool:
    """Whether an address is one of this machine."""
    return "://" not in address or address.startswith(f"{LOCAL}:")


def find(addresses: Sequence[str], store: FileStore) -> list[InputFile]:
    """Return the files of addresses, each once, in the order of their names; raises UsageError.

    As in Spark, names that begin with `_` or `.` are no files of events; what an unfinished job leaves is refused.
    """
    found: dict[str, InputFile] = {}
    for address in addresses:
        named = local_path(address).rstrip("/")
        for file in store.files(address):
            below = file.path.removeprefix(str(Path(named).absolute()) if is_local(address) else named)
            parts = below.split("/")[1:]
            if unfinished := next((part for part in parts if part in UNFINISHED[:1]), None):
                raise UsageError(
                    f"{address} has a folder {unfinished}: a job still writes there, or died while it did. Wait until "
                    "it has ended; then remove that folder, if it is still there."
                )
            if not any(part.startswith(("_", ".")) for part in parts):
                found[file.path] = file
            if len(found) > MOST_FILES:
                raise UsageError(f"There are more than {MOST_FILES:,} files: name fewer, or join them first.")
    if not any(file.size for file in found.values()):
        raise UsageError(f"There is nothing to read in {', '.join(addresses)}: no file there has anything in it.")
    return sorted(found.values())


def seen_again(addresses: Sequence[str], planned: Sequence[InputFile]) -> list[InputFile]:
    """Return the input as it is now, to be compared with what was planned.

    What other machines have is not looked at again, nor an archive, which has new files every minute: they are in the
    shards as they were planned.
    """
    own = [each for each in addresses if is_local(each) and not is_archive(each)]
    archives = tuple(f"{Path(local_path(each)).absolute()}/" for each in addresses if is_archive(each))
    kept = [each for each in planned if not is_local(each.path) or each.path.startswith(archives)]
    return [*(find(own, LocalFiles()) if own else []), *kept]


def sorted_out(files: Iterable[InputFile], store: FileStore) -> HistoryFiles:
    """Return which files are of which kind; raises UsageError with every file that cannot be read, and why."""
    kinds: dict[str, list[str]] = {LINES: [], DOCUMENTS: [], COLUMNS: [], ARCHIVED: []}
    faults: list[str] = []
    every = list(files)
    for file in every:
        if not file.size:
            continue
        try:
            kind = kind_of(file, store.part(file, 0, HEAD), store)
        except OSError as error:
            kind = f"cannot be read: {error.strerror or error}"
        if kind in kinds:
            kinds[kind].append(file.path)
        else:
            faults.append(f"{file.path} {kind}.")
    if faults:
        more = [f"... and {len(faults) - MOST_FAULTS} more."] if len(faults) > MOST_FAULTS else []
        raise UsageError("\n".join([*faults[:MOST_FAULTS], *more]))
    return HistoryFiles(every, kinds)


def kind_of(file: InputFile, head: bytes, store: FileStore) -> str:
    """Return what a file is, or the end of the sentence that says what is wrong with it."""
    if head.startswith(PARQUET):
        return _parquet(file, store)
    packed = head.startswith(GZIP)
    text = _unpacked(head) if packed else head
    text = text.removeprefix(BOM).lstrip(b" \t\r\n")
    if packed and not text:
        return "is gzipped, but nothing of it can be unpacked; copy or compress it again"
    for begin, name in FOREIGN.items():
        if text.startswith(begin):
            return f"is {name}; {WHAT_IS_READ}"
    if text[:1] not in (b"{", b"["):
        return f"begins with neither {{ nor [: {WHAT_IS_READ}"
    if _has_lines(text, whole=len(head) == file.size) and packed == file.path.endswith(".gz"):
        return LINES
    if file.size > LONGEST_DOCUMENT:
        return (
            f"is one JSON document of {file.size:,} bytes, of which no part can be read by itself; the limit is "
            f"{LONGEST_DOCUMENT:,}. Write one event a line: jq -c '.[]' FILE"
        )
    return DOCUMENTS


def _parquet(file: InputFile, store: FileStore) -> str:
    end = store.part(file, file.size - 8, 8) if file.size >= SHORTEST_PARQUET else b""
    if end.endswith(PARQUET):
        size = min(int.from_bytes(end[:4], "little"), file.size - len(end), LONGEST_FOOTER)
        return ARCHIVED if METADATA_KEY in store.part(file, file.size - len(end) - size, size) else COLUMNS
    return "is Parquet without its end: it was cut off while it was written or copied. Write or copy it again"


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error:
        return b""


def _has_lines(text: bytes, *, whole: bool) -> bool:
    """Whether the first line that is not blank is an object by itself, or goes on beyond what was read."""
    if text[:1] != b"{":
        return False
    line, end, _ = text.partition(b"\n")
    if not end and not whole:
        return True  # a long event; a document over many lines has shorter ones
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False
