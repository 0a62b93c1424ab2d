"""GitLab versions, compared number by number: 16.10 comes after 16.9."""

import re
from dataclasses import dataclass, field
from typing import Final

_VERSION: Final = re.compile(
    r"v?([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,4}))?(?:(?:[-+][0-9A-Za-z]|\.[A-Za-z])[0-9A-Za-z.+-]{0,63})?"
)


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Major, minor and patch; an edition or pre-release suffix (`17.8.1-ee`, `17.8.0-pre`) does not count.

    `text` is how it was written, and plays no part in comparisons.
    """

    major: int
    minor: int
    patch: int
    text: str = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read `17.8` or `17.8.1`. Raises ValueError for anything else."""
        found = _VERSION.fullmatch(text)
        if found is None:
            raise ValueError("should be a GitLab version such as '17.8'")
        return cls(int(found[1]), int(found[2]), int(found[3] or 0), text)

    def __str__(self) -> str:
        return self.text
