"""Keys of roots are stable and readable; consumers group by them."""

import pytest

from job_trigger_worker.domain.cause import cause
from job_trigger_worker.domain.codes import FailureCode as Code


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (cause(Code.SERVER_NOT_FOUND, server=7), "server_not_found:server=7"),
        (
            cause(Code.ACCOUNT_NOT_FOUND, server=12, account="deploy"),
            "account_not_found:server=12,account=deploy",
        ),
        (
            cause(Code.ACCOUNT_NOT_FOUND, server=12, account="财务-2"),
            "account_not_found:server=12,account=财务-2",
        ),
        (
            cause(Code.ACCOUNT_NOT_FOUND, server=12, account="a,b=c\n%"),
            "account_not_found:server=12,account=a%2Cb%3Dc%0A%25",
        ),
        (cause(Code.PERMISSION_DENIED, user=5, action=9), "permission_denied:user=5,action=9"),
    ],
)
def test_a_cause_names_code_and_object(key: str, expected: str) -> None:
    assert key == expected


def test_long_names_give_short_keys_that_differ() -> None:
    one = cause(Code.ACCOUNT_NOT_FOUND, account="x" * 500 + "1")
    other = cause(Code.ACCOUNT_NOT_FOUND, account="x" * 500 + "2")
    assert one != other
    assert len(one) == len("account_not_found:account=") + 48 + 9
