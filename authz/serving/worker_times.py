"""How long a worker takes for what, in seconds; the supervisor counts on it."""

from __future__ import annotations

from typing import Final

BEAT_SECONDS: Final = 0.5
"""Between two signs of life."""

FINISH_SECONDS: Final = 10.0
"""For requests in flight, after the pause of a drain."""

ORPHAN_SECONDS: Final = 1.0
"""For requests in flight, once the supervisor is gone."""

TRACE_SECONDS: Final = 1.0
"""For spans that wait to be sent, at the end."""
