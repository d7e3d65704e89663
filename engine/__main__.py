"""`python -m engine` runs the command `engine`."""

from __future__ import annotations

from engine.commands import main

if __name__ == "__main__":
    main()
