"""What is read from a failure event, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from job_trigger_worker.streams.failures import Cause, Unreadable, read

EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples"
TOPIC = "awp.job.trigger-failure.v1"


def event(**changes: Any) -> bytes:
    return json.dumps(
        {
            "event_id": "0198f3a0-0000-7000-8000-000000000021",
            "execution_id": "0198f3a0-0000-7000-8000-000000000022",
            "trigger_id": "0198f3a0-0000-7000-8000-000000000001",
            "job_id": "4711",
            "job_name": "夜间备份",
            "job_type": "workflow",
            "owner": None,
            "kind": "schedule",
            "scheduled_at": "2026-11-20T08:00:00Z",
            "failed_at": "2026-11-20T08:00:00.131Z",
            "code": "server_not_found",
            "message": "Node 1: Server 7 does not exist.",
            "findings": [
                gone("7", node="1"),
                gone("7", node="8"),
                gone("8", node="2"),
                finding(
                    "account_not_found",
                    "账号“财务”在 db-09 上不存在。",
                    server_id="9",
                    account="财务",
                ),
            ],
            "causes": [
                "server_not_found:server=7",
                "server_not_found:server=8",
                "account_not_found:server=9,account=财务",
            ],
            "cause": "server_not_found:server=7",
        }
        | changes
    ).encode()


def finding(code: str, message: str, **objects: str) -> dict[str, str]:
    return {"code": code, "message": message, **objects}


def gone(server: str, *, node: str) -> dict[str, str]:
    said = f"Node {node}: Server {server} does not exist."
    return finding("server_not_found", said, server_id=server, node_id=node)


def test_every_cause_is_counted_with_the_sentence_of_its_own_finding() -> None:
    failure = read(event())
    assert (failure.job_id, failure.code) == ("4711", "server_not_found")
    assert failure.failed_s == pytest.approx(1_795_161_600.131)
    assert failure.causes == (
        Cause("server_not_found:server=7", "server_not_found", "Server 7 does not exist."),
        Cause("server_not_found:server=8", "server_not_found", "Server 8 does not exist."),
        Cause(
            "account_not_found:server=9,account=财务",
            "account_not_found",
            "账号“财务”在 db-09 上不存在。",
        ),
    )


def test_an_escaped_name_in_a_cause_finds_its_finding() -> None:
    said = finding("account_not_found", "No account a b.", server_id="9", account="a b")
    failure = read(
        event(causes=["x:y=1", "account_not_found:server=9,account=a%20b"], findings=[said])
    )
    assert failure.causes[2].message == "No account a b."


def test_a_cause_whose_finding_was_cut_is_named_by_its_key() -> None:
    failure = read(event(findings=[]))
    assert [each.message for each in failure.causes] == [
        "Node 1: Server 7 does not exist.",
        "server_not_found:server=8",
        "account_not_found:server=9,account=财务",
    ]


def test_one_event_adds_at_most_twenty_causes_the_first_ones() -> None:
    causes = [f"server_not_found:server={number}" for number in range(7, 600)]
    kept = read(event(causes=causes)).causes
    assert len(kept) == 20
    assert kept[-1].key == "server_not_found:server=26"


def test_long_names_and_sentences_are_cut() -> None:
    kept = read(event(cause="c" * 5000, causes=[], message="m" * 5000)).causes[0]
    assert (len(kept.key), len(kept.message)) == (200, 300)


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"no JSON",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"[" * 100_000,
        event(failed_at="2026-11-20T08:00:00"),
        event(job_id=None),
        event(cause="\0"),
    ],
    ids=lambda body: repr(body)[:30],
)
def test_what_is_no_failure_event_is_refused_with_a_reason(body: bytes | None) -> None:
    with pytest.raises(Unreadable, match=r"."):
        read(body)


@pytest.mark.parametrize(
    "path", sorted((EXAMPLES / "good" / TOPIC).iterdir()), ids=lambda p: p.stem
)
def test_every_good_example_is_read(path: Path) -> None:
    assert read(path.read_bytes()).causes


@pytest.mark.parametrize("path", sorted((EXAMPLES / "bad" / TOPIC).iterdir()), ids=lambda p: p.stem)
def test_every_bad_example_is_refused(path: Path) -> None:
    with pytest.raises(Unreadable):
        read(path.read_bytes())
