"""What a REST server is told: what it offers, from which store, to whom, and how much of it at once."""

from __future__ import annotations

import msgspec

LOOPBACK = ("127.0.0.1", "::1", "localhost")
VARIABLE = "ML_PIPELINE_API"
"""Environment variable that carries the settings, as JSON, to worker processes. There is no secret in it."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much a worker process takes on.

    `body_bytes` of one request, `requests` in flight, `seconds` until a request must be answered. `runs` that may be at
    work at the same time on this server, and `waiting` for one of those places per worker. A run whose worker has not
    been heard of for `lost_after` seconds is lost; workers are heard of every `beat` seconds.
    """

    body_bytes: int = 32 << 20
    requests: int = 256
    seconds: float = 30.0
    runs: int = 2
    waiting: int = 16
    beat: float = 2.0
    lost_after: float = 20.0


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything `app.create` needs.

    `services` are those that are exposed, as `online/serve`; empty for all. `tokens` is the path of the token file;
    without one everybody may do everything. `shadow` names a model version by use case. `slots` is a folder that the
    workers of a server share.
    """

    use_cases: tuple[str, ...]
    store: str
    services: tuple[str, ...] = ()
    tokens: str = ""
    shadow: dict[str, str] = {}
    slots: str = ""
    bounds: Bounds = Bounds()
