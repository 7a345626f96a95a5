"""docs/platform.md says of every view which columns it has, and what each may hold."""

from __future__ import annotations

import re
from pathlib import Path

from job_trigger_worker.domain.platform_views import VIEWS as HELD
from job_trigger_worker.domain.platform_views import Holds
from job_trigger_worker.migrations.views import VIEWS
from tests.support.sql import rows

PAGE = (Path(__file__).parents[2] / "docs" / "platform.md").read_text()
TABLES = re.compile(r"^`(\w+)`, [^\n]+\n\n((?:\|[^\n]+\n)+)", re.MULTILINE)


def documented() -> dict[str, list[str]]:
    """The columns of each view, in the order of its table."""
    found = {}
    for name, table in TABLES.findall(PAGE):
        first = [line.split("|")[1] for line in table.splitlines()[2:]]
        found[name] = [column for cell in first for column in re.findall(r"`(\w+)`", cell)]
    return found


TYPES = {
    Holds.ID: "id",
    Holds.IDS: "array of ids",
    Holds.FLAG: "flag",
    Holds.WORD: "word",
    Holds.NUMBER: "number",
    Holds.TIME: "time",
    Holds.UUID: "uuid",
    Holds.TEXT: "text",
    Holds.SCHEDULE: "text",
    Holds.ZONE: "text",
}


def cells() -> dict[tuple[str, str], list[str]]:
    """Type, meaning of null and the rest, by view and column."""
    found = {}
    for name, table in TABLES.findall(PAGE):
        for line in table.splitlines()[2:]:
            first, *others = [cell.strip() for cell in line.strip("|").split("|")]
            for column in re.findall(r"`(\w+)`", first):
                found[name, column] = others
    return found


def test_the_page_says_what_the_check_holds_a_platform_to() -> None:
    said = cells()
    for view in HELD:
        for column in view.columns:
            kind, null, more = said[view.name, column.name]
            assert kind.startswith(TYPES[column.holds]), (view.name, column.name, kind)
            assert (null == "never") is not column.may_be_null, (view.name, column.name, null)
            for word in column.words:
                assert f"`{word}`" in more, (view.name, column.name, word)


def test_every_column_of_every_view_is_documented(database: str) -> None:
    made = rows(
        database,
        """
        select table_name::text, array_agg(column_name::text order by ordinal_position)
        from information_schema.columns
        where table_name in (select viewname from pg_views where schemaname = 'public')
        group by 1
        """,
    )
    assert documented() == dict(made)
    assert set(documented()) == set(VIEWS)
