"""A mapping as it was at a revision of git: `git:REV:path`, with what it extends and includes at the same revision.

Git is run without a shell, with lists of arguments, and only to read objects that are there: no hook, filter, pager,
prompt or download.  A revision is resolved to the name of a commit first, so nothing that a person typed is read as an
option.  The files are read from a temporary folder; in problems they are `git:REV:path`.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import NamedTuple

from engine.errors import UsageError
from engine.language.suggest import closest
from engine.language.texts import visible
from engine.mapping.load import Library, Loaded
from engine.mapping.yaml import reader
from engine.mapping.yaml.reader import LARGEST, Document

PREFIX = "git:"
PATIENCE = 30.0
"""Seconds that one call of git may take."""

MOST_OUTPUT = 64 * 1024 * 1024
"""Bytes that one call of git may print."""

MOST_FILES = 1000
"""Mappings in one folder of a revision."""

SAFE = (
    "--no-pager",
    "--no-replace-objects",
    "--no-optional-locks",
    "--literal-pathspecs",
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "protocol.allow=never"),  # a partial clone would download what is missing
)
ENVIRONMENT = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}
ENTRY = re.compile(rb"100\d{3} blob ([0-9a-f]{40,64}) +(\d+)\t([^/\0]+\.ya?ml)")
"""An entry of `git ls-tree -z -l`: a regular file that may be a mapping."""


class At(NamedTuple):
    """A path at a revision, as it was written."""

    revision: str
    path: str


def parsed(text: str) -> At | None:
    """Return what `git:REV:path` says, None for a text that is no such thing; raises UsageError."""
    if not text.startswith(PREFIX):
        return None
    revision, colon, path = text.removeprefix(PREFIX).partition(":")
    if not (revision and colon and path):
        raise UsageError(f"{visible(text)} is not complete: write git:REV:path, such as git:main:mappings/shop.yaml.")
    if revision.startswith("-"):
        raise UsageError(f"{visible(text)}: a revision does not begin with -.")
    return At(revision, path)


def load_at(at: At, directories: Sequence[Path], folder: Path | None = None) -> Loaded:
    """Load a mapping at a revision of the repository that `folder` (default: the current one) is in.

    `directories` are searched as ever; those inside the repository at the same revision. Raises UsageError.
    """
    git = Repository(folder or Path.cwd())
    commit = git.commit(at.revision)
    path = git.path(at)
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(f"{visible(f'git:{at.revision}:{at.path}')} is no mapping: its name does not end with .yaml.")
    with TemporaryDirectory(prefix="waybill-") as made:
        copies = {git.copy(commit, path.parent, Path(made) / "own"): path.parent}
        own = Path(made) / "own" / path.name
        if not own.exists():
            raise UsageError(_no_file(at, path, own.parent))
        searched = []
        for number, directory in enumerate(directories):
            inside = git.inside(directory)
            searched.append(directory if inside is None else git.copy(commit, inside, Path(made) / str(number)))
            if inside is not None:
                copies[searched[-1]] = inside
        return _LibraryAt(at.revision, copies, searched or None).read(own)


class _LibraryAt(Library):
    """Reads copies of folders of a revision, and names their files after it."""

    def __init__(self, revision: str, copies: dict[Path, PurePosixPath], directories: list[Path] | None) -> None:
        super().__init__(directories, self._document)
        self._revision = revision
        self._copies = copies

    def _document(self, path: Path) -> Document:
        for copy, folder in self._copies.items():
            if path.is_relative_to(copy):
                file = folder / path.relative_to(copy).as_posix()
                return reader.parse(path.read_bytes(), f"{PREFIX}{self._revision}:{file}")
        return reader.read(path)


def _with_slash(folder: PurePosixPath) -> str:
    return "" if folder == PurePosixPath() else f"{folder}/"


def _no_file(at: At, path: PurePosixPath, folder: Path) -> str:
    names = sorted(file.name for file in folder.glob("*.y*ml"))
    guess = closest(path.name, names)
    beside = f"git:{at.revision}:{_with_slash(path.parent)}"
    if guess:
        advice = f"Did you mean {beside}{guess}?"
    elif names:
        advice = f"There is {', '.join(names[:10])}."
    else:
        advice = "A path is from the top of the repository; ./path is from here."
    return f"At {visible(at.revision)} there is no file {visible(str(path))}. {visible(advice)}"


class Repository:
    """What is read of the repository around a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def commit(self, revision: str) -> str:
        """Return the full name of the commit of a revision; raises UsageError."""
        found = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        name = found.output.decode(errors="replace").strip()
        if found.code == 0 and re.fullmatch(r"[0-9a-f]{40,64}", name):
            return name
        self._inside_or_raise()
        guess = closest(revision, self._branches())
        advice = f"Did you mean {guess}?" if guess else "A branch or tag that is not here has to be fetched first."
        raise UsageError(f"Git knows no revision {visible(revision)}. {visible(advice)}")

    def _inside_or_raise(self) -> None:
        found = self._run("rev-parse", "--git-dir")
        if found.code != 0:
            first = found.error.partition("\n")[0].removeprefix("fatal: ").rstrip(".")
            raise UsageError(f"Git cannot read a repository here: {visible(first)}.")

    def _branches(self) -> list[str]:
        found = self._run("for-each-ref", "--count=1000", "--format=%(refname:short)")
        return found.output.decode(errors="replace").split()

    def path(self, at: At) -> PurePosixPath:
        """Return a path from the top of the repository; as in git, `./path` and `../path` are from the folder."""
        written = at.path
        if written.startswith(("./", "../")):
            prefix = self._run("rev-parse", "--show-prefix").output.decode(errors="replace").removesuffix("\n")
            written = prefix + written
        path = PurePosixPath(os.path.normpath(written))
        if path.is_absolute() or ".." in path.parts:
            raise UsageError(f"git:{visible(at.revision)}:{visible(at.path)} leads out of the repository.")
        return path

    def inside(self, directory: Path) -> PurePosixPath | None:
        """Return a directory as a path from the top of the repository; None if it is elsewhere."""
        top = self._run("rev-parse", "--show-toplevel")
        try:
            found = directory.resolve().relative_to(Path(os.fsdecode(top.output.removesuffix(b"\n"))).resolve())
        except ValueError:
            return None
        return PurePosixPath(found.as_posix()) if top.code == 0 else None

    def copy(self, commit: str, folder: PurePosixPath, to: Path) -> Path:
        """Write the mappings and parts of a folder at a commit into a new folder, and return that."""
        (to / "parts").mkdir(parents=True)
        for inside, target in ((folder, to), (folder / "parts", to / "parts")):
            self._copy_files(f"{commit}:{'' if inside == PurePosixPath() else inside}", target)
        return to

    def _copy_files(self, tree: str, to: Path) -> None:
        listed = self._run("ls-tree", "-z", "-l", tree)
        if listed.code != 0:  # no such folder at this commit
            return
        entries = [found.groups() for entry in listed.output.split(b"\0") if (found := ENTRY.fullmatch(entry))]
        if len(entries) > MOST_FILES:
            raise UsageError(f"{tree} has {len(entries)} mappings; at most {MOST_FILES} are read.")
        for _, size, name in entries:
            if int(size) > LARGEST:
                with (to / os.fsdecode(name)).open("wb") as file:
                    file.truncate(LARGEST + 1)  # only as large as what the reader refuses
        small = [(digest, name) for digest, size, name in entries if int(size) <= LARGEST]
        contents = self._contents([digest for digest, _ in small])
        for (_, name), content in zip(small, contents, strict=True):
            (to / os.fsdecode(name)).write_bytes(content)

    def _contents(self, digests: Sequence[bytes]) -> list[bytes]:
        """Return the contents of files by their digests."""
        if not digests:
            return []
        found = self._run("cat-file", "--batch", given=b"".join(digest + b"\n" for digest in digests))
        rest, contents = found.output, []
        for digest in digests:
            header, _, rest = rest.partition(b"\n")
            words = header.split()
            if len(words) != 3:
                raise UsageError(f"Git does not have the content of {digest.decode()}; fetch it first (git fetch).")
            contents.append(rest[: int(words[2])])
            rest = rest[int(words[2]) + 1 :]
        return contents

    def _run(self, *words: str, given: bytes = b"") -> Ran:
        command = ["git", *SAFE, *words]
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(  # noqa: S603  no shell, and nothing a person typed is an option
                command, cwd=self.folder, env=os.environ | ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=pipe
            )
        except FileNotFoundError:
            raise UsageError("git is not installed; git:REV:path needs it.") from None
        except ValueError:
            raise UsageError("A revision cannot contain a NUL character.") from None
        with process, _killed_after(process, PATIENCE):
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write(given)  # fits the pipe
            process.stdin.close()
            output = process.stdout.read(MOST_OUTPUT + 1)
            if len(output) > MOST_OUTPUT:
                process.kill()
                raise UsageError(f"git {words[0]} prints more than {MOST_OUTPUT // 1024 // 1024} MiB here.")
            error = process.stderr.read(4096).decode(errors="replace")
        return Ran(process.returncode, output, error)


class Ran(NamedTuple):
    """How a call of git ended, and what it printed."""

    code: int
    output: bytes
    error: str


class _killed_after:  # noqa: N801  reads as what happens
    """Kill a process that takes too long."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self._timer = threading.Timer(seconds, process.kill)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
