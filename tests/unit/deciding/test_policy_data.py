"""A judge that another process makes from pickled data decides as the first, and remembers nothing of it."""

import pickle

from authz.deciding.reasons import Reason
from authz.deciding.request import to_request
from authz.policy.load import Policy
from tests.support.minting import Minter, request

NOW = 1_800_000_000.0


def test_pickled_data_is_the_same_data(policy: Policy) -> None:
    assert pickle.loads(pickle.dumps(policy.data)) == policy.data


def test_a_judge_of_pickled_data_decides_the_same(policy: Policy) -> None:
    judge = pickle.loads(pickle.dumps(policy.data)).judge()
    token = Minter(now=NOW).token()
    for message in (request(token=token), request(token="a.b.c"), request(), request("/none", token=token)):
        asked = to_request(message)
        assert judge.judge(asked, NOW) == policy.judge.judge(asked, NOW)
    assert judge.revision == policy.revision


def test_each_judge_begins_with_empty_caches(policy: Policy) -> None:
    used, asked = policy.data.judge(), to_request(request(token=Minter(now=NOW).token()))
    assert getattr(used.judge(asked, NOW).decision, "reason", None) is not Reason.INVALID_TOKEN
    assert used.cache_use()["tokens"].entries == 1
    assert policy.data.judge().cache_use()["tokens"].entries == 0
