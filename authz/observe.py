"""What operators see: log lines on standard error, none of them with a token or with text from a client."""

from __future__ import annotations

import logging
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authz.decision import Allowed, Denied

if TYPE_CHECKING:
    from authz.decision import Decision

__all__ = ["LOG_LEVELS", "described", "fault", "start_logging"]

LOG_LEVELS: Final = ("debug", "info", "warning", "error")


def start_logging(level: str) -> logging.Logger:
    """Return the service's logger, writing lines of time, level and message."""
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logger = logging.getLogger("authz")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())
    return logger


def fault(error: Exception) -> str:
    """Say what kind of bug struck and where. The error's own text may hold a client's bytes, so it is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def described(decision: Decision) -> str:
    """Say what was decided and why, in our own words alone: nothing of it was written by a client."""
    parts = [f"reason={decision.reason}", f"backend_service={decision.backend_service or '-'}"]
    if isinstance(decision, Denied) and decision.token_error is not None:
        parts.append(f"token_error={decision.token_error}")
    if isinstance(decision, Allowed) and decision.identity is not None:
        parts += [f"issuer={decision.identity.issuer}", f"unit_primitive={decision.identity.unit_primitive}"]
    return " ".join(parts)
