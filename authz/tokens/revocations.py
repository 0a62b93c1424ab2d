"""The revoked tokens, instances, users, keys and certificates, each looked up by its id."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from authz.model import Claims, TokenType


@dataclass(frozen=True, slots=True)
class Revocations:
    """What is revoked, and until when (seconds since the epoch). Keys are (issuer name, kid)."""

    token_ids: Mapping[str, float]
    instances: Mapping[str, float]
    users: Mapping[str, float]
    key_ids: Mapping[tuple[str, str], float]
    certificates: Mapping[str, float]

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle plain dictionaries: read-only views of them cannot be pickled."""
        return _restored, tuple(dict(getattr(self, name)) for name in self.__slots__)

    def cover(self, claims: Claims, kid: str, thumbprints: Iterable[str], now: float) -> bool:
        """Whether a verified token is revoked at `now`: by its id, instance, user, key or one of its certificates."""
        if claims.issuer.token_type is TokenType.INSTANCE:
            revoked = self.instances.get(claims.subject, 0.0) > now
        else:
            revoked = self.users.get(claims.subject, 0.0) > now
        return (
            revoked
            or self.token_ids.get(claims.token_id, 0.0) > now
            or self.instances.get(claims.instance_id, 0.0) > now
            or self.key_ids.get((claims.issuer.name, kid), 0.0) > now
            or any(self.certificates.get(thumbprint, 0.0) > now for thumbprint in thumbprints)
        )


def _restored(*lists: dict[Any, float]) -> Revocations:  # Any: one list has pairs as keys
    return Revocations(*map(MappingProxyType, lists))


_NONE: Final[Mapping[str, float]] = MappingProxyType({})
NO_REVOCATIONS: Final = Revocations(_NONE, _NONE, _NONE, MappingProxyType({}), _NONE)
