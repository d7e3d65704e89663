"""`python -m engine.reference`, or `make docs`: rewrites everything in a checkout that is made from the code."""

from __future__ import annotations

from engine.reference import generated

if __name__ == "__main__":
    for path, make in generated().items():
        path.write_text(make(), encoding="utf-8")
