"""Every document, section, promise and failure code that is cited exists."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from job_trigger_schemas.trigger_failure import KNOWN_CODES
from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.sentences import en, zh

ROOT = Path(__file__).parents[2]
DESIGN = (ROOT / "docs/design.md").read_text()
SECTIONS = set(re.findall(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", DESIGN, re.MULTILINE))
PROMISES = set(re.findall(r"^(\d)\. \*\*", DESIGN, re.MULTILINE))
FOLDERS = "deploy|docs|locks|migrations|schemas|tests|worker"
ENDS = "json|md|py|sql|svg|toml|txt"
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]+)?\)")


def _codes(sentences: Mapping[str, str]) -> set[str]:
    """The codes of sentences; a case of a code stands behind a dot."""
    return {key.partition(".")[0] for key in sentences}


def _files(*patterns: str) -> Iterator[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            yield path


def test_every_link_of_a_document_leads_somewhere() -> None:
    for path in _files("*.md"):
        for target, anchor in LINK.findall(path.read_text()):
            there = path.parent / target if target else path
            assert there.exists(), f"{path.relative_to(ROOT)} links to {target}"
            if anchor:
                assert anchor[1:] in _anchors(there), f"{path.relative_to(ROOT)}: {target}{anchor}"


def test_every_file_that_code_and_documents_name_exists() -> None:
    named = re.compile(rf"(?<![\w/.-])(?:{FOLDERS})/[\w./-]*\w\.(?:{ENDS})\b")
    for path in _files("*.py", "*.sql", "*.md", "*.toml", "*.html", "Makefile", ".ci/*"):
        for name in named.findall(path.read_text()):
            assert (ROOT / name).exists(), f"{path.relative_to(ROOT)} names {name}"


def test_every_section_and_promise_that_is_cited_exists() -> None:
    assert set("1234567") == PROMISES
    for path in _files("*.py", "*.md", "*.sql"):
        text = path.read_text()
        for cited in re.findall(r"\bdesign ((?:\d+(?:\.\d+)?(?:, | and )?)+)", text):
            numbers = re.findall(r"\d+(?:\.\d+)?", cited)
            assert set(numbers) <= SECTIONS, f"{path.relative_to(ROOT)} cites design {cited}"
        for cited in re.findall(r"\bpromises? (\d(?:(?:, | and | to )\d)*)", text):
            numbers = re.findall(r"\d", cited)
            assert set(numbers) <= PROMISES, f"{path.relative_to(ROOT)} cites promise {cited}"
        assert not re.search(r"\bDESIGN (?:section )?\d", text), path.relative_to(ROOT)


def test_every_decision_stands_in_the_index_and_says_what_would_change_it() -> None:
    pages = {each.name for each in _files("docs/decisions/0*.md")}
    index = (ROOT / "docs/decisions/README.md").read_text()
    assert set(re.findall(r"\((0\d+-[\w-]+\.md)\)", index)) == pages
    for name in pages:
        text = (ROOT / "docs/decisions" / name).read_text()
        assert text.startswith(f"# {int(name[:4])}. "), name
        assert text.count("**Revisit when** ") == 1, name


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(set(KNOWN_CODES), id="KNOWN_CODES of the schemas"),
        pytest.param(_codes(en.SENTENCES), id="English sentences"),
        pytest.param(_codes(zh.SENTENCES), id="Chinese sentences"),
        pytest.param(
            set(re.findall(r"`(\w+)`", DESIGN.split("### 7.1")[1].split("Further codes")[0])),
            id="docs/design.md 7.1",
        ),
        pytest.param(
            set(
                re.findall(
                    r"`(\w+)`",
                    (ROOT / "docs/sending.md").read_text().split("`code` is one of")[1],
                )
            ),
            id="docs/sending.md",
        ),
    ],
)
def test_every_failure_code_stands_where_it_has_to(place: set[str]) -> None:
    assert place == {str(code) for code in FailureCode}


def _anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in kept}
