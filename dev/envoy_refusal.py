"""What Envoy says when it refuses a configuration, cut down to what a reader needs."""

import re

LENGTH = 300
_INTRODUCTION = re.compile(r"error initializing [^']*'[^']*': ")
_CONSTRAINT = re.compile(r"caused by (\w+)ValidationError\.(\S+): ([^|]*?)\)?$")
_FIELD = re.compile(
    r"@\s+(\S+):\s+message\s+(\S+),\s+near\s.*?\(offset\s\d+\):\s+(.*?)\)(?:: \{| has unknown fields|$)"
)


def told(stderr: str) -> str:
    """One line: the reason, and the field it is about where Envoy names one."""
    said = " ".join(_INTRODUCTION.split(stderr)[-1].split())
    if constraint := _CONSTRAINT.search(said):
        message, field, reason = constraint.groups()
        return f"{message}.{field}: {reason}"
    if field_error := _FIELD.search(said):
        path, message, reason = field_error.groups()
        return f"{reason} ({path.rpartition('<any>.')[2]}, a {message.rpartition('.')[2]})"
    return said[:LENGTH] or "Envoy refuses it without saying why"
