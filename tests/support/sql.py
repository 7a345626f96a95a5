"""Plain SQL for tests: what they put in and look at, in words of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import psycopg2.extensions
from sqlalchemy import make_url

SHAPE = """
    select 'column', table_name || '.' || column_name, data_type || ' ' || is_nullable
        || coalesce(' ' || column_default, '')
    from information_schema.columns where table_schema = 'public'
    union all select 'index', indexname, indexdef from pg_indexes where schemaname = 'public'
    union all select 'view', viewname, definition from pg_views where schemaname = 'public'
    union all select 'trigger', tgname, pg_get_triggerdef(oid) from pg_trigger
        where not tgisinternal
    union all select 'function', proname, prosrc from pg_proc
        where pronamespace = 'public'::regnamespace
    union all select 'comment', relname, obj_description(oid, 'pg_class') from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')
    order by 1, 2, 3
"""
"""Everything that a migration makes, in a form to compare."""


@contextmanager
def session(url: str, *, application: str = "test") -> Iterator[psycopg2.extensions.connection]:
    """A session that commits nothing by itself."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    opened = psycopg2.connect(address, application_name=application)
    try:
        yield opened
    finally:
        opened.close()


def execute(url: str, statements: str, *, role: str | None = None) -> int:
    """Run statements in one transaction, as a role; how many rows the last one touched."""
    with session(url) as opened, opened, opened.cursor() as cursor:
        if role:
            cursor.execute(f"set role {role}")
        cursor.execute(statements)
        return cursor.rowcount


def alone(url: str, statement: str) -> None:
    """Run a statement that no transaction may hold, such as `create database`."""
    with session(url) as opened:
        opened.autocommit = True
        with opened.cursor() as cursor:
            cursor.execute(statement)


def rows(url: str, query: str, *, role: str | None = None) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    with session(url) as opened, opened, opened.cursor() as cursor:
        if role:
            cursor.execute(f"set role {role}")
        cursor.execute(query)
        return cursor.fetchall()


def value(url: str, query: str) -> Any:
    """The one value of a query."""
    ((found,),) = rows(url, query)
    return found
