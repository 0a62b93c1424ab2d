"""Hypothesis strategies for requests of clients and attackers: paths, headers and tokens that are nearly valid."""

from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.support.minting import INSTANCE, USER
from tests.support.properties.twin import read_file, read_rules

METHODS = ("GET", "POST", "PUT", "HEAD", "OPTIONS", "post", "")
FORMS = Path("tests/properties/forms.yml")
"""Rules of the forms that the shipped ones do not need; the policy of the property tests has them too."""
_RULES = [*read_rules(Path("authz/data/rules")), *read_file(FORMS)]
_BACKENDS = sorted({rule.backend for rule in _RULES})
_TRICKS = (
    "",
    ".",
    "..",
    "%2e%2e",
    "%2f",
    "%5C",
    "%00",
    "%c3%a9",
    "%c3",
    "%",
    ";",
    "#",
    "\\",
    "//",
    " ",
    "é",
    "\t",
    "\x7f",
    "?",
)
_WORDS = sorted({part for rule in _RULES for part in rule.template if not part.startswith("{")})
_VALUES = sorted(
    {
        value
        for rule in _RULES
        if isinstance(access := rule.entry.get("unit_primitives"), dict)
        for value in access.get("values", {})
    }
)
_NAMES = sorted(
    {
        name
        for rule in _RULES
        if isinstance(access := rule.entry.get("unit_primitives"), dict)
        for name in access.get("allowed", [])
    }
    | {"complete_code", "generate_code", "duo_chat"}
)


def _served() -> SearchStrategy[str]:
    """Paths of the rules, with known words for their variables."""
    fillings = st.sampled_from([*_VALUES, "v1/messages", "agent", "x"])

    def filled(template: tuple[str, ...]) -> SearchStrategy[str]:
        parts = [fillings if part.startswith("{") else st.just(part) for part in template]
        return st.tuples(*parts).map(lambda found: "/" + "/".join(found))

    return st.sampled_from([rule.template for rule in _RULES]).flatmap(filled)


@st.composite
def _twisted(draw: st.DrawFn) -> str:
    """A path of a rule with something inserted, removed or escaped."""
    path = draw(_served())
    position = draw(st.integers(0, len(path)))
    end = draw(st.integers(position, min(len(path), position + 3)))
    cut = path[position:end]
    put = draw(
        st.one_of(st.sampled_from(_TRICKS), st.just("".join(f"%{ord(c):02x}" for c in cut)), st.text(max_size=3))
    )
    return path[:position] + put + path[end:]


targets = st.one_of(
    _served(),
    _twisted(),
    st.tuples(_served(), st.text("abc=&/.%;#?", max_size=8)).map("?".join),
    st.lists(st.sampled_from([*_WORDS, *_TRICKS, "x"]), max_size=7).map(lambda parts: "/" + "/".join(parts)),
    st.text(max_size=20),
)
labels = st.sampled_from([*_BACKENDS, "", "AI_GATEWAY", None])
scope_sets = st.one_of(
    st.just(_NAMES), st.lists(st.sampled_from([*_NAMES, "COMPLETE_CODE", "complete", ""]), max_size=4, unique=True)
)
claim_sets: SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {},
    optional={
        "gitlab_root_namespace_id": st.sampled_from(["9970", 9970, "9971", ""]),
        "plan": st.sampled_from(["ultimate", "Ultimate", "free", "", 9970]),
    },
)
header_sets = st.fixed_dictionaries(
    {},
    optional={
        "x-gitlab-authentication-type": st.sampled_from(["oidc", "oidc", "oidc", "OIDC", "", "oidc,oidc"]),
        "x-gitlab-realm": st.sampled_from(["self-managed", "self-managed", "saas", "", "self-managed,self-managed"]),
        "x-gitlab-instance-id": st.sampled_from([INSTANCE, INSTANCE, INSTANCE.upper(), "", "other"]),
        "x-gitlab-global-user-id": st.sampled_from([USER, USER, USER.lower(), "", "other"]),
        "x-gitlab-root-namespace-id": st.sampled_from(["9970", "9970", "9971", ""]),
        "x-gitlab-unit-primitive": st.sampled_from([*_NAMES, "", "unknown"]),
        "content-type": st.sampled_from(["application/json", "application/grpc", "application/grpc+proto"]),
        "x-request-id": st.text(max_size=70),
    },
)
