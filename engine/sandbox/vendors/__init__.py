"""The emulated vendors: the only place in the engine that knows any by name."""

from __future__ import annotations

from engine.sandbox.emulator import Emulator
from engine.sandbox.vendors.exponea.routes import Exponea
from engine.sandbox.vendors.extole.routes import Extole
from engine.sandbox.vendors.user_com.routes import UserCom

VENDORS: tuple[type[Emulator], ...] = (Exponea, Extole, UserCom)
