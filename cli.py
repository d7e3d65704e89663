"""The command line of a checkout: `python cli.py run` is the installed `engine run`."""

from __future__ import annotations

from engine.commands import main

if __name__ == "__main__":
    main()
