"""`engine new`: a mapping to begin with, from answers, from a curl command or from an OpenAPI document."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.shared import FOUND, HELP_SETTINGS, counted, did_you_mean
from engine.errors import UsageError
from engine.files import create

if TYPE_CHECKING:
    from engine.scaffolding.build import NewMapping
    from engine.scaffolding.outline import Outline

STDOUT = STDIN = "-"
NAME = re.compile(r"[a-z][a-z0-9_]*")
LONGEST_NAME = 60
KINDS = ("bearer", "header", "basic", "query", "oauth2", "none")
EXTRA = ("rapidfuzz", "ruamel", "ruamel.yaml")
NO_EXTRA = "engine new needs the extra \"author\": pip install 'waybill[author]'"


@click.command("new", context_settings=HELP_SETTINGS)
@click.argument("name")
@click.option("--title", metavar="TEXT", help="The vendor's own name. Default: made of NAME.")
@click.option("--base-url", metavar="URL", help="The address that every path is added to.")
@click.option("--docs", metavar="URL", help="The documentation that the mapping follows.")
@click.option(
    "--credentials",
    metavar="KIND",
    help="bearer, header[:NAME], basic, query[:NAME], oauth2[:TOKEN_URL] or none.",
)
@click.option(
    "--request",
    "requests",
    multiple=True,
    metavar="TEXT",
    help='A request: "NAME METHOD PATH CALLS [FIELDS]", such as "add_event POST /events track,page user_id,email". '
    "Repeatable.",
)
@click.option(
    "--from-curl",
    "commands",
    multiple=True,
    metavar="COMMAND",
    help="A curl command of the vendor's documentation; - reads it from standard input. Its credentials become "
    "settings; files that it names are not read. Repeatable.",
)
@click.option("--from-openapi", "document", metavar="FILE", help="An OpenAPI 3 document, as JSON or YAML.")
@click.option(
    "--operation",
    "operations",
    multiple=True,
    metavar="ID",
    help='An operation of the document: its operationId, or "POST /path". Repeatable.',
)
@click.option("--calls", metavar="CALLS", help="For which calls the requests are: track,page. Default: a guess.")
@click.option("--suggest", "events", metavar="EVENTS", help="A file of sample events, to propose paths from.")
@click.option(
    "--output",
    metavar="FILE",
    help="Where to write; - is standard output. Default: NAME.yaml in the folder mappings, if there is one.",
)
def command(  # noqa: PLR0913  one parameter an option
    *,
    name: str,
    title: str | None,
    base_url: str | None,
    docs: str | None,
    credentials: str | None,
    requests: tuple[str, ...],
    commands: tuple[str, ...],
    document: str | None,
    operations: tuple[str, ...],
    calls: str | None,
    events: str | None,
    output: str | None,
) -> int:
    """Write the mapping of a new destination, with an example for each of its calls.

    On a terminal it asks for what no option says. It never overwrites a file.

    Exit code 0: written, without problems; 1: written, with the problems that are shown; 2: wrong usage.
    """
    path = _path(name, output)
    outline = _draft(name, title, base_url, docs)
    chosen = _calls(calls)
    if operations and document is None:
        raise UsageError("--operation needs --from-openapi FILE.")
    if document is not None:
        _from_openapi(outline, document, operations, chosen)
    for text in commands:
        _from_curl(outline, text, chosen)
    asked = not commands and document is None and not requests and sys.stdin.isatty()
    _complete(outline, credentials, requests, asked=asked)
    return _write(_built(outline, path, events), outline, path, to_stdout=output == STDOUT)


def _built(outline: Outline, path: Path, events: str | None) -> NewMapping:
    from engine.scaffolding.build import build

    try:
        if events is None:
            return build(outline, path)
        from engine.scaffolding.similar import Seen

        return build(outline, path, similar=Seen.of_file(events, sys.stdin.buffer).similar)
    except ModuleNotFoundError as error:
        raise UsageError(NO_EXTRA) if error.name in EXTRA else error from None


def _path(name: str, output: str | None) -> Path:
    """Return where the mapping goes; UsageError for names that cannot be one, and for a file that is there."""
    from engine.scaffolding.outline import clean, snake

    if len(name) > LONGEST_NAME:
        raise UsageError(f"The name has {len(name)} characters; that of a mapping has at most {LONGEST_NAME}.")
    if not NAME.fullmatch(name):
        raise UsageError(
            f'"{clean(name, 60)}" cannot be the name of a mapping: it has small letters, digits and _, and begins with '
            f"a letter. Did you mean {snake(name, 'my_destination')}?"
        )
    folder = Path("mappings") if Path("mappings").is_dir() else Path()
    path = folder / f"{name}.yaml" if output in (None, STDOUT) else Path(str(output))
    if path.stem != name or path.suffix not in (".yaml", ".yml"):
        raise UsageError(f"The file of this mapping is called {name}.yaml: --output {path.parent / name}.yaml.")
    if output != STDOUT and path.exists():
        raise UsageError(_exists(path))
    return path


def _exists(path: Path) -> str:
    return f"{path} exists, and nothing is overwritten. Choose another name, move the file, or use --output -."


def _draft(name: str, title: str | None, base_url: str | None, docs: str | None) -> Outline:
    from engine.scaffolding.addresses import split
    from engine.scaffolding.outline import Outline, clean, title_of

    if docs is not None and not re.fullmatch(r"https?://[^ ]+", docs):
        raise UsageError("--docs must be an address, such as https://docs.example.com/api.")
    outline = Outline(name, clean(title) if title and title.strip() else title_of(name), docs=docs or "")
    if base_url is not None:
        origin, user, path, query = split(base_url)
        if user or query:
            raise UsageError("--base-url has credentials or a query; write it without, and use --credentials.")
        outline.base_url = _based(outline, origin, path)
    return outline


def _based(outline: Outline, origin: str, path: str) -> str:
    from engine.scaffolding.addresses import base_text, path_template
    from engine.scaffolding.credentials import Scrubber

    return base_text(outline, origin) + path_template(outline, path, Scrubber()).rstrip("/")


def _calls(text: str | None) -> tuple[str, ...]:
    from engine.scaffolding.outline import CALLS

    names = tuple(dict.fromkeys(word for word in (text or "").replace(",", " ").split()))
    for word in names:
        if word not in CALLS:
            from engine.language.texts import visible

            raise UsageError(f"There is no call {visible(word)[:40]}. {did_you_mean(word, CALLS)}")
    return names


def _from_curl(outline: Outline, text: str, calls: tuple[str, ...]) -> None:
    from engine.scaffolding import curl

    if text == STDIN:
        text = sys.stdin.buffer.read(curl.LONGEST * 4 + 1).decode("utf-8", "replace")
    curl.read(text, outline, calls=calls)


def _from_openapi(outline: Outline, file: str, operations: tuple[str, ...], calls: tuple[str, ...]) -> None:
    from engine.scaffolding import openapi

    openapi.read(file, operations, outline, calls=calls)


def _complete(outline: Outline, credentials: str | None, requests: tuple[str, ...], *, asked: bool) -> None:
    """Add what flags say, and ask for the rest on a terminal."""
    from engine.scaffolding import answers

    if asked:
        from engine.commands.new_questions import ask

        credentials, requests = ask(outline, credentials)
    if not outline.base_url:
        raise UsageError(
            "There is no base URL. Write --base-url https://..., --from-curl or --from-openapi; questions are asked on "
            "a terminal only."
        )
    kind = credentials or ("none" if outline.requests else None)
    if kind is None:
        raise UsageError(f"Say what credentials the vendor needs: --credentials {' | '.join(KINDS)}.")
    answers.add_credentials(outline, kind)
    for text in requests:
        answers.add_request(outline, text)
    if not outline.requests:
        raise UsageError('There is no request. Write --request "add_event POST /events track".')


def _write(made: NewMapping, outline: Outline, path: Path, *, to_stdout: bool) -> int:
    if to_stdout:
        click.echo(made.text, nl=False)
    else:
        _write_file(path, made.text)
    for note in outline.notes:
        click.echo(f"! {note}", err=True)
    _report(made, outline, path, to_stdout=to_stdout)
    if made.problems:
        from engine.commands.output.events import problem_texts
        from engine.commands.output.text import Display

        for line in problem_texts(made.problems, Display(sys.stderr)):
            click.echo(line, err=True)
    return FOUND if any(problem.level == "error" for problem in made.problems) else 0


def _write_file(path: Path, text: str) -> None:
    try:
        create(path, text)
    except FileExistsError:
        raise UsageError(_exists(path)) from None
    except FileNotFoundError:
        raise UsageError(f"There is no folder {path.parent}; make it first: mkdir -p {path.parent}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None


def _report(made: NewMapping, outline: Outline, path: Path, *, to_stdout: bool) -> None:
    secrets = [name for name, setting in outline.settings.items() if setting.secret]
    what = (
        f"{counted(len(outline.requests), 'request')}, {counted(len(made.calls), 'call')} ({', '.join(made.calls)}), "
        f"{counted(len(outline.settings), 'setting')}" + (f" (secret: {', '.join(secrets)})" if secrets else "")
    )
    click.echo(f"{'' if to_stdout else f'{path}: '}{what}.", err=True)
    marked = len(re.findall(r"# (?:proposed|check):", made.text))
    if marked:
        click.echo(f"Look at {counted(marked, 'line')} with a comment `# check:` or `# proposed:`.", err=True)
    if not to_stdout and not made.problems:
        click.echo(f"Next: engine run {path} --events FILE --example-settings", err=True)
