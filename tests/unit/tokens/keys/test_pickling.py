"""Keys, certificates and revocations reach another process as they are."""

import pickle
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from authz.documents.findings import Findings
from authz.model import Algorithm, Trust
from authz.tokens.keys.jwk import public_key
from authz.tokens.keys.key import VerificationKey
from authz.tokens.keys.ring import read_keys
from authz.tokens.revocations import NO_REVOCATIONS, Revocations
from tests.support.minting import write_anchors, write_keys
from tests.support.signing import key
from tests.unit.tokens.keys.test_ring import EVERY

REVOCATIONS: Final = Revocations(
    MappingProxyType({"a": 1.0}),
    MappingProxyType({"b": 2.0}),
    MappingProxyType({}),
    MappingProxyType({("first", "c"): float("inf")}),
    MappingProxyType({"d" * 64: 3.0}),
)


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("created_at", [None, "2026-01-01"])
def test_a_key_of_each_kind_is_the_same_key(algorithm: Algorithm, created_at: str | None) -> None:
    _, material = public_key(key("a", algorithm.value).jwk())
    before = VerificationKey("first", "a", algorithm, material, created_at)
    after = pickle.loads(pickle.dumps(before))
    assert after == before
    assert after.algorithm is algorithm, "it is compared by identity"


def test_a_ring_is_the_same_ring_and_cannot_be_changed(tmp_path: Path) -> None:
    findings = Findings()
    issuer = replace(EVERY, trust=frozenset(Trust))
    write_keys(tmp_path, {issuer.name: [key("a"), key("b", "ES256")]})
    write_anchors(tmp_path, [issuer.name])
    before = read_keys(tmp_path, [issuer], allow_empty=False, findings=findings)
    assert not findings.problems
    assert len(before.by_issuer[issuer.name]) == 2
    assert before.anchors[issuer.name]
    after = pickle.loads(pickle.dumps(before))
    assert after == before
    for mapping in (after.by_issuer, after.anchors, *after.by_issuer.values()):
        with pytest.raises(TypeError):
            mapping["another"] = None


@pytest.mark.parametrize("revocations", [NO_REVOCATIONS, REVOCATIONS], ids=["none", "some"])
def test_revocations_are_the_same_and_cannot_be_changed(revocations: Revocations) -> None:
    after = pickle.loads(pickle.dumps(revocations))
    assert after == revocations
    assert all(type(getattr(after, field.name)) is MappingProxyType for field in fields(after))
