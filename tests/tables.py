"""One test for a whole table of cases: all of them are checked, and those that fail are named.

`pytest.mark.parametrize` makes a test of each case, which costs 4 ms in a run of three workers, as each of them collects
all tests: thousands of cases that take less than that are a table. A case that needs a fixture of its own stays a test.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from functools import wraps
from typing import Any

Test = Callable[..., None]


def each(
    names: str,
    cases: Iterable[Any] | Callable[[], Iterable[Any]],
    ids: Collection[str] | Callable[[Any], object] = repr,
) -> Callable[[Test], Test]:
    """Check each case in one test: written like `pytest.mark.parametrize`, also with `pytest.param(..., id=...)`.

    A function that returns the cases is called when the test runs: reading files takes no time in collection then.
    """
    keys = [name.strip() for name in names.split(",")]

    def decorated(test: Test) -> Test:
        @wraps(test)
        def all_of_them(**fixtures: Any) -> None:
            made = list(cases() if callable(cases) else cases)
            assert made, "there are no cases"
            failed = []
            for number, case in enumerate(made):
                values = case.values if _named(case) else (case,) if len(keys) == 1 else case
                try:
                    test(**dict(zip(keys, values, strict=True)), **fixtures)
                except Exception as error:  # noqa: BLE001  whatever is wrong with one, the others are checked
                    error.add_note(f"The case: {_name(number, case, ids)}")
                    failed.append(error)
            if failed:
                raise ExceptionGroup(f"{len(failed)} of {len(made)} cases", failed)

        known = inspect.signature(test)
        kept = [each for name, each in known.parameters.items() if name not in keys]
        all_of_them.__signature__ = known.replace(parameters=kept)  # type: ignore[attr-defined]
        return all_of_them

    return decorated


def _named(case: Any) -> bool:
    """Tell whether it is of `pytest.param`."""
    return hasattr(case, "values") and hasattr(case, "marks")


def _name(number: int, case: Any, ids: Collection[str] | Callable[[Any], object]) -> object:
    if _named(case):
        return case.id
    return ids(case) if callable(ids) else list(ids)[number]
