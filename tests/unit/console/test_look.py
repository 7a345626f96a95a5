"""Colours that can be read, and parts that say what they show."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from job_trigger_worker.console.shared import times
from job_trigger_worker.console.shared.badges import LOOKS
from job_trigger_worker.console.shared.statics import FOLDER
from job_trigger_worker.console.shared.texts import words
from tests.support.parts import render

CSS = (FOLDER / "console.css").read_text()
STATUSES = {
    "trigger_failed", "accepted", "running", "succeeded", "failed", "cancelled", "rejected",
    "dispatched", "no_answer", "other", "blank", "never_run",
}  # fmt: skip
TONES = ("bad", "warn", "busy", "good", "still")
AA_TEXT, AA_SHAPE = 4.5, 3.0


def _themes() -> dict[str, dict[str, str]]:
    blocks = re.findall(r"(:root[^{]*){([^}]*)}", CSS)
    found = {
        selector.strip(): dict(re.findall(r"--([\w-]+):\s*(#\w+)", content))
        for selector, content in blocks
    }
    assert len(found) == 3
    assert found[':root[data-theme="dark"]'] == found[':root[data-theme="auto"]']
    return {"light": found[":root"], "dark": found[':root[data-theme="dark"]']}


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_measure_is_right() -> None:
    assert round(contrast("#000000", "#ffffff"), 2) == 21.0
    assert round(contrast("#767676", "#ffffff"), 2) == 4.54


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read(theme: str) -> None:
    colours = _themes()[theme]
    pairs = [
        (text, ground)
        for text in ("text", "quiet", "accent", *TONES)
        for ground in ("ground", "surface", "raised")
    ]
    pairs += [(tone, f"{tone}-soft") for tone in TONES]
    pairs += [("text", "still-soft"), ("accent", "still-soft"), ("on-accent", "accent")]
    pairs += [("surface", "bad")]
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= AA_TEXT, (text, ground)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_shapes_and_edges_of_fields_can_be_seen(theme: str) -> None:
    colours = _themes()[theme]
    for name in ("bad-fill", "warn-fill", "busy-fill", "good-fill", "still-fill", "field"):
        assert contrast(colours[name], colours["surface"]) >= AA_SHAPE, name


def test_every_status_has_a_look_of_its_own() -> None:
    assert set(LOOKS) == STATUSES
    assert len({look.shape for look in LOOKS.values()}) == len(STATUSES)
    assert len({look.label for look in LOOKS.values()}) == len(STATUSES)


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_a_badge_says_its_status_and_shows_its_shape(status: str) -> None:
    html = render("{{ parts.badge(status) }}", status=status)
    assert LOOKS[status].label in html
    assert f'href="#i-{LOOKS[status].shape}"' in html


def test_an_unknown_status_is_text() -> None:
    assert "&lt;b&gt;" in render("{{ parts.badge('<b>') }}")


def test_the_last_runs_are_counted_for_those_who_do_not_see_them() -> None:
    html = render("{{ parts.last(all) }}", all=["failed"] * 5 + ["succeeded"] * 7 + ["running"])
    assert 'aria-label="Last runs: 7 Succeeded, 2 Failed, 1 Running"' in html
    assert html.count("<use") == 10
    assert "style=" not in html
    assert 'aria-label="Last runs: none"' in render("{{ parts.last([]) }}")


def test_a_time_has_everything_in_its_title() -> None:
    at = datetime(2026, 11, 23, 6, 10, 2, tzinfo=UTC)
    html = render("{{ parts.time(at) }}", at=at, zone="Asia/Shanghai")
    assert html == (
        '<time datetime="2026-11-23T06:10:02.000000Z" '
        'title="2026-11-23 06:10:02 UTC · 2026-11-23 14:10:02 Asia/Shanghai">14:10:02</time>'
    )
    assert "–" in render("{{ parts.time(none) }}")


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 11, 22, 17, 0, tzinfo=UTC), "01:00:00"),  # today, there
        (datetime(2026, 11, 22, 15, 0, tzinfo=UTC), "11-22 23:00"),
        (datetime(2025, 11, 22, 15, 0, tzinfo=UTC), "2025-11-22 23:00"),
    ],
)
def test_a_moment_is_as_short_as_it_can_be(at: datetime, text: str) -> None:
    now = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
    assert times.moment(at, ZoneInfo("Asia/Shanghai"), now).text == text


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0.35, "350 ms", "350 毫秒"),
        (42, "42 s", "42 秒"),
        (185, "3 min 5 s", "3 分 5 秒"),
        (7_500, "2 h 5 min", "2 小时 5 分"),
        (187_200, "2 d 4 h", "2 天 4 小时"),
        (-90, "-1 min 30 s", "-1 分 30 秒"),
    ],
)
def test_durations(seconds: float, english: str, chinese: str) -> None:
    assert times.duration(timedelta(seconds=seconds), words("en")) == english
    assert times.duration(seconds, words("zh")) == chinese


def test_parts_escape_what_they_are_given() -> None:
    bad = '"><img src=x onerror=alert(1)>'
    found = [{"code": bad, "message": bad, "remedy": bad}]
    html = render(
        "{{ parts.findings(found) }}{{ parts.field('n', bad, value=bad, error=bad) }}"
        "{{ parts.chips([(bad, bad, '/jobs')]) }}{{ parts.note('bad', bad, bad) }}"
        "{{ parts.empty(bad, bad) }}{{ parts.pager('/a', none, bad) }}"
        "{{ parts.counts([('failed', 3, '/jobs', true)]) }}{{ parts.overdue_mark() }}",
        found=found,
        bad=bad,
    )
    assert "<img" not in html
    assert 'aria-describedby="f-n-said"' in html


def test_a_pager_has_no_link_where_there_is_no_page() -> None:
    html = render("{{ parts.pager('/jobs?before=7', none) }}")
    assert html.count("<a ") == 1
    assert 'rel="prev" href="/jobs?before=7"' in html


def test_files_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 40_000


def test_a_confirmation_is_a_form_that_works_without_a_script() -> None:
    html = render(
        '{% include "confirm.html" %}',
        title="Save?",
        text="<b>",
        action="Save",
        to="/jobs/7/edit",
        back="/jobs/7",
        fields={"name": '">'},
        found=[{"code": "server_not_found", "message": "Server 7 does not exist.", "remedy": ""}],
        is_grave=True,
    )
    assert '<form method="post" action="/jobs/7/edit">' in html
    assert html.count('name="form_token" value="token"') == 2  # this form, and signing out
    assert '<input type="hidden" name="name" value="&#34;&gt;">' in html
    assert "&lt;b&gt;" in html
    assert "Server 7 does not exist." in html
    assert '<a class="button" href="/jobs/7">Cancel</a>' in html


def test_code_in_a_sentence_is_code_and_the_rest_is_text() -> None:
    html = render("{{ said|coded }}", said="Run `make run` <b>")
    assert html == "Run <code>make run</code> &lt;b&gt;"
