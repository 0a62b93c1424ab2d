"""Makes the token of a case, valid or hostile."""

from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.cases.chains import certificates, members
from tests.support.cases.rows import TokenRow
from tests.support.certificates import Certificate
from tests.support.issuers import Profile
from tests.support.minting import NULL, Minter, compact
from tests.support.signing import Key, b64, hmac_with, key


def token_for(row: TokenRow, audience: str, profiles: Mapping[str, Profile]) -> str:
    """Return the token of a row; `audience` is its audience unless the row has another."""
    profile = profiles[row.issuer]
    algorithm = row.algorithm or profile.algorithm
    signer = _signer(row, profile, algorithm)
    header, claims = _header(row, profiles, algorithm), _claims(row, profiles, audience)
    sign = _signature(row.signature, signer)
    if row.length is None:
        return _assembled(row.text, header, claims, sign)
    for spaces in range(4):  # base64 cannot reach every length with one part alone
        wider = header + b" " * spaces
        missing = row.length - len(_assembled(row.text, wider, claims, sign))
        for further in range(missing * 3 // 4 - 2, missing * 3 // 4 + 3):
            token = _assembled(row.text, wider, claims + b" " * further, sign)
            if len(token) == row.length:
                return token
    raise ValueError(f"no token of this kind has {row.length} characters")


def _signer(row: TokenRow, profile: Profile, algorithm: str) -> Key:
    if row.chain is None or row.signed_by:
        return key(row.signed_by or profile.key.kid, algorithm)
    leaf = certificates(row.chain, profile)["leaf"]
    assert isinstance(leaf, Certificate)
    return leaf.key


def _assembled(text: str, header: bytes, claims: bytes, sign: Callable[[bytes], bytes]) -> str:
    parts = {"{header}": b64(header), "{claims}": b64(claims)}
    signature = b64(sign(f"{parts['{header}']}.{parts['{claims}']}".encode()))
    # The last character carries bits that decoding drops: these two read as the same bytes.
    parts |= {"{signature}": signature, "{loose_signature}": signature[:-1] + chr(ord(signature[-1]) + 1)}
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


def _header(row: TokenRow, profiles: Mapping[str, Profile], algorithm: str) -> bytes:
    healthy = {**Minter(profiles=profiles).header(row.issuer), "alg": algorithm}
    if row.chain is not None:
        healthy = {**healthy, "kid": None, **members(row.chain, profiles[row.issuer], "header")}
    text = compact(healthy, {**_nulls(row.header), **dict.fromkeys(map(str, row.without_header))})
    return _replaced(row.header_text, row.header_hex) or _appended(text, row.append_header, row.nested_header)


def _claims(row: TokenRow, profiles: Mapping[str, Profile], audience: str) -> bytes:
    minter = Minter(profiles=profiles)
    healthy = {**minter.claims(row.issuer), "aud": audience, "scopes": row.scopes}
    if row.chain is not None:
        healthy = {**healthy, **members(row.chain, profiles[row.issuer], "claims")}
    dates: dict[str, object] = {name: minter.now + offset for name, offset in row.times.items()}
    text = compact(healthy, {**dates, **_nulls(row.claims), **dict.fromkeys(map(str, row.without))})
    return _replaced(row.claims_text, row.claims_hex) or _appended(text, row.append_claims, row.nested_claim)


def _nulls(members: Mapping[str, object]) -> dict[str, object]:
    return {name: NULL if value is None else value for name, value in members.items()}


def _replaced(text: str | None, octets: str | None) -> bytes:
    return bytes.fromhex(octets) if octets is not None else (text or "").encode()


def _appended(healthy: bytes, text: str, depth: int) -> bytes:
    nested = f'"nested":{"[" * depth}{"]" * depth}' if depth else ""
    return b",".join(part for part in (healthy[:-1], text.encode(), nested.encode()) if part) + b"}"


def _signature(kind: str, signer: Key) -> Callable[[bytes], bytes]:
    kinds: dict[str, Callable[[bytes], bytes]] = {
        "genuine": signer.sign,
        "flipped": lambda message: bytes([signer.sign(message)[0] ^ 1, *signer.sign(message)[1:]]),
        "truncated": lambda message: signer.sign(message)[:-1],
        "zeros": lambda message: bytes(len(signer.sign(message))),
        "of_other_claims": lambda message: signer.sign(message + b"x"),
        "der": lambda message: _der(signer, message),
        "hmac_of_nothing": hmac_with(b""),
        "hmac_of_public_pem": hmac_with(signer.public_pem()),
        "hmac_of_modulus": hmac_with(signer.jwk().get("n", "").encode()),
    }
    return kinds[kind]


def _der(signer: Key, message: bytes) -> bytes:
    if not isinstance(signer.private, ec.EllipticCurvePrivateKey):
        raise TypeError("only an ES256 signature has a DER encoding")
    return signer.private.sign(message, ec.ECDSA(hashes.SHA256()))
