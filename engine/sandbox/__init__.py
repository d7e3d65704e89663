"""The sandbox: emulators of the vendors, to try everything without an account.

Nothing is imported here, so that `engine` starts without a web server.  Where to begin reading: `app` (a
request comes in), `emulator` (what every vendor has), `vendors/` (one folder each: `routes`, `model`,
`errors`, `settings`), `faults` (what can be made to go wrong), `server` (running it).
"""

from __future__ import annotations
