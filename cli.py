"""The command line, for a checkout: `python cli.py validate-mappings` is the installed `engine validate-mappings`."""

from __future__ import annotations

from engine.commands import main

if __name__ == "__main__":
    main()
