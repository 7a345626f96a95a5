"""Dead letters, as a browser gets them: listed, shown, edited, and sent again."""

import html
import json
import re
from collections.abc import Iterator

import httpx
import pytest

from job_trigger_worker.domain.masking import MASK
from job_trigger_worker.domain.principals import Role
from tests.support.console import Served, form_token, serving
from tests.support.history import FrozenClock
from tests.support.letters import keep
from tests.support.pages import HOSTILE, content, page, rows, shows_as_text
from tests.support.sql import execute
from tests.support.sql import value as sql_value

LETTER = """
with origin as (
    insert into awp_trigger_ledger (topic, topic_id, "partition")
    values ('awp.job.triggers.v1', 'i', 2) returning id)
insert into awp_dead_letter (ledger_id, origin_offset, reason, job_id, headers, value, created_at)
select id, 41, '{}', 17, '\\x90', '\\x7b7d', '2026-11-23T07:00:00Z' from origin
"""


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with serving(database, clock=FrozenClock()) as served:
        yield served


def test_an_admin_sees_why_each_message_could_not_be_used(console: Served, database: str) -> None:
    execute(database, LETTER.format("the body is not JSON object"))
    browser = console.signed_in(Role.ADMIN)
    (row,) = rows(page(browser, "/dead-letters"))
    assert row == "1 the body is not JSON object 17 awp.job.triggers.v1 2:41 2 07:00:00 –"
    assert "其中 1 条尚未重发" in page(browser, "/dead-letters", "zh").text


def test_a_reason_is_text_and_nothing_else(console: Served, database: str) -> None:
    execute(database, LETTER.format(HOSTILE))
    shows_as_text(page(console.signed_in(Role.ADMIN), "/dead-letters"))


def test_without_letters_it_says_so(console: Served) -> None:
    assert "No dead letters" in content(page(console.signed_in(Role.ADMIN), "/dead-letters"))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_nobody_but_an_admin_sees_them(console: Served, role: Role) -> None:
    assert console.signed_in(role).get("/dead-letters").status_code == 403


MANY = """
with origin as (
    insert into awp_trigger_ledger (topic, topic_id, "partition")
    values ('awp.job.triggers.v1', 'i', 2) returning id)
insert into awp_dead_letter (ledger_id, origin_offset, reason, headers, value, replayed_at)
select id, n, case when n % 2 = 0 then 'even' else 'odd' end, '\\x90', '\\x7b7d',
    case when n % 10 = 0 then now() end
from origin, generate_series(1, 120) n
"""


def test_a_list_is_paged_and_narrowed_by_reason_and_by_what_waits(
    console: Served, database: str
) -> None:
    execute(database, MANY)
    browser = console.signed_in(Role.ADMIN)
    ids, path = [], "/dead-letters?reason=EVEN&waiting=yes"
    while path:
        answer = page(browser, path)
        ids += [int(row.split()[0]) for row in rows(answer)]
        found = re.search(r'rel="next" href="([^"]+)"', answer.text)
        path = html.unescape(found[1]) if found else ""
    assert ids == [n for n in range(120, 0, -1) if n % 2 == 0 and n % 10]
    assert "48 have not been sent again yet" in content(page(browser, "/dead-letters?reason=even"))
    assert "No dead letter matches" in page(browser, "/dead-letters?reason=nothing").text
    assert "Choose one from the list." in page(browser, "/dead-letters?waiting=maybe").text


def test_one_is_shown_whole_with_what_is_secret_hidden(console: Served, database: str) -> None:
    body = b'{"job_id":"17","auth":{"password":"geheim"},"note":"token=geheim"}'
    letter = keep(
        database, body, headers=[["X-Api-Key", b"geheim"], ["tenant", b"north"], ["none", None]]
    )
    answer = page(console.signed_in(Role.ADMIN), f"/dead-letters/{letter}")
    assert "geheim" not in answer.text
    assert "no zone" in answer.text
    assert "partition 2, offset 0" in content(answer)
    assert "{ &#34;job_id&#34;: &#34;17&#34;, &#34;auth&#34;: {" in content(answer)
    assert "north" in content(answer)
    assert "What looks secret is hidden." in content(answer)
    assert (
        "疑似机密的内容已隐藏"
        in page(console.signed_in(Role.ADMIN), f"/dead-letters/{letter}", "zh").text
    )


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (HOSTILE.encode(), "&lt;script&gt;alert(1)&lt;/script&gt;"),
        (b"\x1b[31m \xe2\x80\xae", "\\x1b[31m \\u202e"),
        (b"\xff\x00A", "00000000 ff 00 41 ..A"),
        (b"", "Body 0 bytes"),
        (None, "The message has no body (a tombstone)."),
        (b"\xff password=geheim", "Not shown: it is not text, and it names something secret."),
        ('{"password":"geheim"}'.encode("utf-16"), "names something secret"),
        (b"\xff" * 50_000, "Cut here, after 1,600 of 50,000 bytes."),
        (b'"' * 50_000, "Cut here, after 8,000 of 50,000 bytes."),
        (b"[" * 900 + b"]" * 900, "What looks secret is hidden. ••••••"),
    ],
)
def test_whatever_bytes_there_are_they_are_text_and_a_light_page(
    console: Served, database: str, body: bytes | None, shown: str
) -> None:
    letter = keep(database, body)
    browser = console.signed_in(Role.ADMIN)
    answer = page(browser, f"/dead-letters/{letter}")
    assert shown in content(answer)
    assert "<script>alert" not in answer.text
    for place in ("", "/edit"):
        assert "geheim" not in page(browser, f"/dead-letters/{letter}{place}").text


def test_a_hidden_value_is_never_written_back(console: Served, database: str) -> None:
    letter = keep(database, b'{"job_id":"17","password":"geheim"}')
    browser = console.signed_in(Role.ADMIN)
    form = page(browser, f"/dead-letters/{letter}/edit")
    assert "geheim" not in form.text
    assert "Some values are hidden as ••••••." in form.text
    drafted = html.unescape(form.text.partition("<textarea")[2].partition(">\n")[2])
    body = drafted.partition("</textarea>")[0]
    assert json.loads(body) == {"job_id": "17", "password": MASK}
    for path, more in (("edit", {}), ("replay", {"confirmed": "yes"})):
        answer = send(browser, f"/dead-letters/{letter}/{path}", body=body, **more)
        assert answer.status_code == 422
        assert "never sent. Type the value again" in answer.text
        assert html.escape(MASK) in answer.text.partition("<textarea")[2]
    assert sql_value(database, "select count(*) from awp_console_change") == 0


def test_what_is_still_wrong_comes_back_beside_the_body(console: Served, database: str) -> None:
    letter = keep(database, b"{}")
    body = '{"job_id":"17","scheduled_at":"2026-11-23T10:00:00"}'
    answer = send(console.signed_in(Role.ADMIN), f"/dead-letters/{letter}/edit", body=body)
    assert answer.status_code == 422
    assert "no zone" in answer.text.partition('id="f-body-said"')[2]
    assert html.escape(body).replace("&quot;", "&#34;") in answer.text


def test_brokers_away_nothing_is_done(console: Served, database: str) -> None:
    letter = keep(database, b"{}")
    browser = console.signed_in(Role.ADMIN)
    answer = send(browser, f"/dead-letters/{letter}/replay", confirmed="yes")
    assert answer.status_code == 503
    assert "The brokers are away" in answer.text
    answer = send(browser, "/dead-letters/replay", ids=str(letter), confirmed="yes")
    assert answer.status_code == 503
    assert sql_value(database, "select count(replayed_at) from awp_dead_letter") == 0
    assert sql_value(database, "select count(*) from awp_console_change") == 0


def test_sending_is_limited(console: Served, database: str) -> None:
    letter = keep(database, b"{}")
    browser = console.signed_in(Role.ADMIN)
    statuses = [
        send(browser, f"/dead-letters/{letter}/replay", confirmed="yes").status_code
        for _ in range(11)
    ]
    assert statuses == [503] * 10 + [429]


def test_many_are_asked_for_once_more_with_their_number(console: Served, database: str) -> None:
    execute(database, MANY.replace("120", "1200"))
    browser = console.signed_in(Role.ADMIN)
    some = send(browser, "/dead-letters/replay", letter=["1", "3", "10"], which="selected")
    assert "Send 2 letters again?" in some.text  # 10 was sent before
    assert 'name="ids" value="1,3"' in some.text
    every = send(browser, "/dead-letters/replay", reason="even", which="all")
    assert "Send 480 letters again?" in every.text
    every = send(browser, "/dead-letters/replay", which="all")
    assert "Send 500 letters again?" in every.text
    assert "the oldest of 1,080: at most 500" in every.text
    none = send(browser, "/dead-letters/replay", which="selected")
    assert "No letter was chosen" in none.text


def test_what_is_no_letter_is_not_found(console: Served) -> None:
    browser = console.signed_in(Role.ADMIN)
    for path in ("/dead-letters/9", "/dead-letters/x", "/dead-letters/9/edit"):
        assert browser.get(path).status_code == 404
    assert send(browser, "/dead-letters/9/replay", confirmed="yes").status_code == 404


def send(browser: httpx.Client, path: str, **fields: str | list[str]) -> httpx.Response:
    """Send a form as its page does."""
    token = form_token(browser.get("/jobs"))
    return browser.post(path, data={"form_token": token, **fields})
