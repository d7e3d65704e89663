"""SQL of strangers: what is wrong with a query, found before it runs, with line and column.

A query is one SELECT over our views.  It is parsed by DuckDB itself; tables and functions of the parsed query are
compared with lists of what is allowed, so that none reads files or settings; and it is prepared over empty views,
which finds names and types that do not fit.  Nothing of it runs.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from engine.archive.connecting import in_memory
from engine.archive.views import VIEWS
from engine.errors import WaybillError
from engine.language.suggest import closest

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

QUOTE = "'"
LONGEST = 20_000
"""Characters of a query."""
DEEPEST = 100
"""Brackets within brackets: DuckDB's parser takes minutes for thousands that are never closed."""
MOST_RELATIONS = 100
"""Tables of a query, those of common table expressions counted wherever they are used: planning takes their square."""
MOST_WIDTH = 200
"""Tables times `*`: planning takes the square of the columns, and each part that doubles them doubles those before."""
LONGEST_NAME = 50
"""Parts of a name such as properties.address.city."""
CHECK_SECONDS = 10.0
"""Seconds after which the preparation of a query is ended."""
MESSAGE = 600
"""Characters of DuckDB's message that are shown."""

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree"})
REFUSED_FUNCTIONS = frozenset(
    {
        *("current_setting", "current_query", "current_query_id", "current_connection_id", "getvariable", "version"),
        *("sleep_ms", "pg_sleep", "write_log", "parse_duckdb_log_message", "nextval", "currval", "setval", "setseed"),
        *("json_serialize_sql", "json_deserialize_sql", "json_serialize_plan", "json_execute_serialized_sql"),
        *("pg_get_viewdef", "pg_get_constraintdef", "pg_get_expr", "query", "query_table", "stats", "getenv"),
        *("lpad", "rpad"),  # one call may take minutes, and nothing ends it
    }
)
QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
"""What a query and its WITH parts are made of: parts may be INSERT, DELETE or COPY, too."""
STRUCTURED_FUNCTIONS = frozenset({"from_json", "from_json_strict", "json_transform", "json_transform_strict"})
"""Their second argument is read while a query is prepared, and a very deep one ends the process."""
_NO_PLACE = 2**64 - 1
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_SIGNS = re.compile(rf"(?:[-+~!@#|/*%^&<>=]\s*|\bnot\b\s*){{{DEEPEST + 1}}}", re.IGNORECASE)
_BRACKETS = re.compile(r"""'[^']*'|"[^"]*"|[()\[\]{}]""")


class SqlFault(NamedTuple):
    """What is wrong with a query, and where in its text; line and column count from 1."""

    message: str
    line: int = 1
    column: int = 1


class QueryError(WaybillError):
    """A query that cannot run, or that was ended; `fault` says where in its text.

    `vanished`: files were replaced while it began; it may be asked again of the archive as it is now.
    """

    def __init__(self, fault: SqlFault, *, vanished: bool = False) -> None:
        self.fault, self.vanished = fault, vanished
        super().__init__(f"The query failed at {fault.line}:{fault.column}: {fault.message}.")


def fault_of(sql: str) -> SqlFault | None:
    """Return what is wrong with a query, or None; needs no archive, and takes about 5 ms."""
    fault = _fault_of_text(sql) or _fault_of_statement(sql)
    if fault is not None:
        return fault
    tree = _parsed(sql)
    return next(_fault_of_tree(tree, sql), None) or _fault_of_binding(sql)


def _fault_of_text(sql: str) -> SqlFault | None:
    if not sql.strip():
        return SqlFault("the query is empty; write a SELECT over events, users or groups")
    if len(sql) > LONGEST:
        return SqlFault(f"the query has {len(sql):,} characters; {LONGEST:,} are allowed")
    for number, character in enumerate(sql):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            return SqlFault("the query holds a character that SQL cannot have", *_place(sql, number))
    return _fault_of_depth(sql)


def _fault_of_depth(sql: str) -> SqlFault | None:
    """Count brackets outside of texts, and signs in a row; those in comments are counted too."""
    run = _SIGNS.search(_COMMENTS.sub(lambda found: " " * len(found[0]), sql))
    if run is not None:
        return SqlFault(f"more than {DEEPEST} signs in a row", *_place(sql, run.start()))
    depth = 0
    for found in _BRACKETS.finditer(sql):
        bracket = found[0]
        depth += (bracket in {"(", "[", "{"}) - (bracket in {")", "]", "}"})
        if depth > DEEPEST:
            return SqlFault(f"more than {DEEPEST} brackets within one another", *_place(sql, found.start()))
    return None


def _fault_of_statement(sql: str) -> SqlFault | None:
    import duckdb

    with _lock:
        connection = _checker()
        try:
            statements = connection.extract_statements(sql)
        except duckdb.Error as error:
            return fault_of_error(error, sql)
    if not statements:
        return SqlFault("the query is empty; write a SELECT over events, users or groups")
    if len(statements) > 1:
        return SqlFault(f"{len(statements)} statements; write one SELECT", *_second(sql, statements[0].query))
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name.replace("_", " ")
        pivot = " (PIVOT needs the values of its columns: IN (...))" if kind == "MULTI" else ""
        return SqlFault(f"{kind} is not allowed; write one SELECT{pivot}", *_place(sql, len(sql) - len(sql.lstrip())))
    return None


def _second(sql: str, first: str) -> tuple[int, int]:
    """Return where the second statement begins."""
    after = sql.find(";", max(len(first.rstrip().rstrip(";")), 0)) + 1
    return _place(sql, after + len(sql[after:]) - len(sql[after:].lstrip()))


def _parsed(sql: str) -> Any:
    with _lock:
        [[text]] = _checker().execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"error": True, "error_message": "it is too deep"}


def _fault_of_tree(tree: Any, sql: str) -> Iterator[SqlFault]:
    if tree.get("error"):
        yield SqlFault(f"this statement is not allowed; write one SELECT ({tree.get('error_message', '')[:MESSAGE]})")
        return
    names: dict[str, Any] = {}
    width = 1
    for node, visible_names in _nodes(tree):
        names |= dict(_parts(node))
        width = min(width * max(1, _stars(node)), MOST_WIDTH + 1)
        problem = _problem(node, visible_names)
        if problem:
            yield SqlFault(problem, *_place_of_byte(sql, _position(node)))
    relations = _relations(tree, names)
    if relations > MOST_RELATIONS:
        yield SqlFault(f"the query reads more than {MOST_RELATIONS} tables, its WITH parts counted at each use")
    if width > 1 and width * relations > MOST_WIDTH:
        yield SqlFault("the query has too many columns: `*` of `*` of many tables; name the columns that you need")


def _nodes(tree: Any) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Yield every object of a parsed query, with the names of the WITH parts that can be used in it.

    A part can use those before it, and itself if it is recursive: any other name is one of the catalog.
    A stack, because queries may be deep.
    """
    left: list[tuple[Any, frozenset[str]]] = [(tree, frozenset())]
    while left:
        each, names = left.pop()
        if isinstance(each, dict):
            parts: list[tuple[Any, frozenset[str]]] = []
            for key, part in _parts(each):
                is_recursive = part.get("query_node", {}).get("type") == "RECURSIVE_CTE_NODE"
                parts.append((part, names | {key} if is_recursive else names))
                names |= {key}
            yield each, names
            left.extend((value, names) for key, value in reversed(each.items()) if key != "cte_map")
            left.extend(reversed(parts))
        elif isinstance(each, list):
            left.extend((value, names) for value in reversed(each))


def _parts(node: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the WITH parts of a node in their order."""
    return [(_lower(each["key"]), each["value"]) for each in node.get("cte_map", {}).get("map", ())]


def _lower(name: object) -> str:
    """Return a name in lower case as DuckDB compares it: letters outside of ASCII stay (the Kelvin sign is no k)."""
    return "".join(each.lower() if each.isascii() else each for each in str(name))


def _stars(node: dict[str, Any]) -> int:
    """Return how many `*` and COLUMNS are in what a SELECT gives; those of queries in it count there."""
    total, left = 0, list(node.get("select_list", ()))
    while left:
        each = left.pop()
        if isinstance(each, list):
            left.extend(each)
        elif isinstance(each, dict) and "select_list" not in each:
            total += each.get("type") == "STAR"
            left.extend(each.values())
    return total


def _position(node: dict[str, Any]) -> int:
    """Return the byte where a node stands in the query, 0 if it does not say."""
    position = node.get("query_location", _NO_PLACE)
    return 0 if position >= _NO_PLACE else int(position)


def _problem(node: dict[str, Any], names: frozenset[str]) -> str:
    kind = str(node.get("type", ""))
    if kind.endswith("_NODE") and kind not in QUERY_NODES:
        return f"{kind.partition('_')[0]} is not allowed; a query and its WITH parts are SELECT"
    if kind == "BASE_TABLE":
        return _problem_of_table(node, names)
    if len(node.get("column_names", ())) > LONGEST_NAME:
        return f"a name has more than {LONGEST_NAME} parts"
    if kind == "SHOW_REF" and node.get("table_name"):
        return "SHOW is not allowed; DESCRIBE events lists columns, and `engine archive query --schema` all of them"
    if kind == "TABLE_FUNCTION":
        name = _lower(node.get("function", {}).get("function_name", ""))
        if name not in TABLE_FUNCTIONS:
            return f"{name}() is not allowed in FROM; a query reads events, users and groups"
    return _problem_of_function(node)


def _problem_of_function(node: dict[str, Any]) -> str:
    name = _lower(node.get("function_name", ""))
    if name in REFUSED_FUNCTIONS:
        return f"{name}() is not allowed"
    if name in STRUCTURED_FUNCTIONS:
        arguments = node.get("arguments", ())
        is_method = len(node.get("qualified_name", {}).get("path", ())) > 1  # properties.from_json('...')
        own = arguments if is_method or any(each.get("name") for each in arguments) else arguments[1:]
        if any(each.get("expression", {}).get("class") != "CONSTANT" for each in own):
            return f"{name}() needs a text of the query as its second argument"
    return ""


def _problem_of_table(node: dict[str, Any], names: frozenset[str]) -> str:
    name, schema, catalog = (str(node.get(f"{each}_name", "")) for each in ("table", "schema", "catalog"))
    plain = _lower(name)
    if (not schema and plain in names) or (plain in VIEWS and _lower(schema) in ("", "main") and not catalog):
        return ""
    full = ".".join(filter(None, (catalog, schema, name)))
    near = closest(plain, [*VIEWS, *names])
    advice = f'did you mean "{near}"?' if near else f"there are {', '.join(VIEWS)}"
    return f'no table "{full[:100]}"; {advice}'


def _relations(tree: Any, names: dict[str, Any]) -> int:
    """Return how many tables a query reads if each WITH part is put where it is used, MOST_RELATIONS + 1 at most."""
    known: dict[str, int] = {}
    for _ in range(len(names) + 1):  # parts that use one another settle one by one, whatever their order
        before = dict(known)
        for name, part in names.items():
            known[name] = min(_count(part, known, name), MOST_RELATIONS + 1)
        if known == before:
            break
    bodies = {id(part) for part in names.values()}
    return _count(tree, known, "", bodies)


def _count(tree: Any, known: dict[str, int], own: str, apart: set[int] | None = None) -> int:
    total, left = 0, [tree]
    while left:
        each = left.pop()
        if isinstance(each, list):
            left.extend(each)
        elif isinstance(each, dict) and not (apart and id(each) in apart):
            if each.get("type") == "BASE_TABLE":
                name = _lower(each.get("table_name", ""))
                total += 1 if name == own else known.get(name, 1)
            elif each.get("type") == "TABLE_FUNCTION":
                total += 1
            left.extend(each.values())
    return total


_PREPARE = "PREPARE checked AS "


def _fault_of_binding(sql: str) -> SqlFault | None:
    import duckdb

    with _lock:
        connection = _checker()
        timer = threading.Timer(CHECK_SECONDS, connection.interrupt)
        timer.daemon = True
        timer.start()
        try:
            connection.execute(_PREPARE + sql)
            connection.execute("DEALLOCATE checked")
        except duckdb.InterruptException:
            return SqlFault(f"the query takes more than {CHECK_SECONDS:g} seconds to prepare")
        except duckdb.Error as error:
            return fault_of_error(error, sql, len(_PREPARE))
        finally:
            timer.cancel()
    return None


def fault_of_error(error: Exception, sql: str, before: int = 0) -> SqlFault:
    """Return DuckDB's message with its place; `before` are the bytes that stood before the query."""
    text = str(error)
    brace = text.find("{")
    if brace >= 0:
        with suppress(orjson.JSONDecodeError, KeyError, ValueError, TypeError):
            found = orjson.loads(text[brace:])
            place = _place_of_byte(sql, max(int(found["position"]) - before, 0)) if "position" in found else (1, 1)
            return SqlFault(_worded(found["exception_message"], found, sql), *place)
    head, _, tail = text.partition("\n\nLINE ")
    return SqlFault(_worded(head.partition(": ")[2] or head, {}, sql), *_place_of_caret(sql, tail))


def _worded(message: str, found: dict[str, str], sql: str) -> str:
    """Return DuckDB's message in our words where it is one that people meet often."""
    name, candidates = found.get("name", ""), [each for each in found.get("candidates", "").split(",") if each]
    subtype = found.get("error_subtype")
    if subtype == "COLUMN_NOT_FOUND" and name:
        near = closest(name, candidates) or closest(name, [each.name for view in VIEWS.values() for each in view])
        advice = f'; did you mean "{near}"?' if near else ""
        if not near and f'"{name}"' in sql:
            advice = f"; double quotes are for columns, write '{name[:100].replace(QUOTE, QUOTE * 2)}' for a text"
        return f'no column "{name[:100]}"{advice}'
    if subtype == "MISSING_ENTRY" and "Function" in found.get("type", ""):
        near = closest(name, candidates)
        return f'no function "{name[:100]}"' + (f'; did you mean "{near}"?' if near else "")
    if message.lower().startswith("malformed json"):
        return "a text and a JSON value do not compare; take its text with ->>, such as traits ->> '$.plan' = 'pro'"
    if "(JSON" in message.partition("\n")[0]:
        return f"{_sentence(message.partition('. ')[0])}; JSON needs a type first, such as properties.total::DOUBLE"
    return _sentence(message)


_TRY = "TRY_CAST(... AS DOUBLE) gives NULL for what is no number"
ADVICE = {
    "could not convert string": _TRY,
    "failed to cast value to numerical": _TRY,
}
"""What to write instead, by a part of DuckDB's message: mistakes that everyone makes with JSON."""


def _sentence(message: str) -> str:
    lines = [line.strip() for line in message.partition("\tCandidate functions:")[0].splitlines() if line.strip()]
    text = " ".join(lines).replace(".  ", ". ")[:MESSAGE].rstrip(".!")
    text += next((f"; {advice}" for part, advice in ADVICE.items() if part in text.lower()), "")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _place_of_caret(sql: str, tail: str) -> tuple[int, int]:
    """Return the place that `LINE 2: text` and a caret below it show; (1, 1) without them."""
    lines = tail.splitlines()
    number, _, shown = lines[0].partition(": ") if lines else ("", "", "")
    if len(lines) < 2 or not number.isdecimal() or not 1 <= int(number) <= sql.count("\n") + 1:
        return 1, 1
    column = len(lines[1]) - len(lines[1].lstrip()) - len(f"LINE {number}: ")
    text = sql.split("\n")[int(number) - 1]
    cut = shown.startswith("...")
    offset = text.find(shown[3:].removesuffix("...")) - 3 if cut else 0
    return int(number), max(column + offset, 0) + 1


def _place_of_byte(sql: str, position: int) -> tuple[int, int]:
    return _place(sql, len(sql.encode(errors="replace")[:position].decode(errors="ignore")))


def _place(sql: str, position: int) -> tuple[int, int]:
    before = sql[:position]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


_lock = threading.Lock()


@cache
def _checker() -> DuckDBPyConnection:
    """Return the connection in which queries are checked: our views without rows; used under `_lock`."""
    connection = in_memory({"threads": 1, "memory_limit": "200MB"})
    for name, columns in VIEWS.items():
        connection.execute(f"CREATE TABLE {name} ({', '.join(f'{each.name} {each.type}' for each in columns)})")
    connection.execute("PRAGMA disable_optimizer")
    connection.execute("SET errors_as_json = true")
    lock_down(connection, [])
    return connection


def lock_down(connection: DuckDBPyConnection, paths: list[str]) -> None:
    """Take files, network, extensions and settings from a connection; only these files can be read, for good."""
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    for setting in (
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "python_enable_replacements = false",
        f"allowed_paths = [{listed}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
