"""User.com, once UserEngage: the public REST API below `/api/public/`."""

from __future__ import annotations
