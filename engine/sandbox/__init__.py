"""The sandbox: emulated vendors, to try everything without an account.

Nothing is imported here, so that `engine` starts without a web server. Where to begin reading: `app` (a request comes
in), `emulator` (what every vendor has), `vendors/` (a folder each: `routes`, `model`, `access`), `faults` (injected
failures), `server` (running it).
"""

from __future__ import annotations
