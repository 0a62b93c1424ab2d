"""Problems and warnings of a configuration, collected and reported at once."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to correct: the file, its line (from 1; 0 means the whole file) and a message that says what to do."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


class ConfigurationError(Exception):
    """A configuration cannot be used; `problems` are all reasons in file order, `warnings` may explain them."""

    def __init__(self, problems: list[Problem], warnings: list[Problem] | None = None) -> None:
        self.problems = tuple(sorted(set(problems)))
        self.warnings = tuple(sorted(set(warnings or ())))
        super().__init__("\n".join(map(str, self.problems)))


class Findings:
    """Collects problems (the configuration cannot be used) and warnings (it can) while files are read."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def problem(self, file: Path, line: int, message: str) -> None:
        """Record what must be corrected before the configuration can be used."""
        self.problems.append(Problem(file, line, message))

    def warning(self, file: Path, line: int, message: str) -> None:
        """Record what is harmless but probably not intended."""
        self.warnings.append(Problem(file, line, message))

    def conclude(self) -> None:
        """Raise `ConfigurationError` with everything that was found; return if there is no problem."""
        if self.problems:
            raise ConfigurationError(self.problems, self.warnings)
