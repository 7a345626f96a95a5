"""Pages as a browser gets them, read as text."""

import re

import httpx

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>\u202eevil'
"""A name that nobody gives by chance."""

MOST_BYTES = 100_000


def page(browser: httpx.Client, path: str, language: str = "en") -> httpx.Response:
    """A page that is there, and not too heavy."""
    answer = browser.get(path, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    assert len(answer.content) <= MOST_BYTES
    return answer


def rows(answer: httpx.Response, heading: str = "") -> list[str]:
    """The rows of the first table behind a heading, as text."""
    behind = answer.text.partition(f"<h2>{heading}")[2] if heading else answer.text
    body = behind.partition("<tbody>")[2].partition("</tbody>")[0]
    return [said(row) for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]


def said(markup: str) -> str:
    """Markup without its tags, blanks made one."""
    return " ".join(re.sub(r"<[^>]*>", " ", markup).split())


def content(answer: httpx.Response) -> str:
    """What stands between head and foot of a page, as text."""
    return said(answer.text.partition("<main")[2].partition("</main>")[0].partition(">")[2])


def shows_as_text(answer: httpx.Response) -> None:
    """Assert that a hostile name is on the page, and that it is nothing but text there."""
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text
    assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
