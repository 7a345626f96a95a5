"""The columns of the platform's views: of what type they are, and the SQL that reads them.

A platform keeps an id as a number or as text, a flag as a boolean, a number or a word. Which of
these it is, the catalog says, once a session; the statements are made accordingly, so that every
comparison is one that the platform's own index serves.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from psycopg2 import Error
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from worker.domain.platform_views import VIEWS
from worker.storage.prepared import Prepared, every_batch

TRUE = ("true", "t", "yes", "y", "on", "1")
FALSE = ("false", "f", "no", "n", "off", "0")
"""Words for a flag, as PostgreSQL's own boolean takes them; compared without regard to case."""

_WHOLE = ("int2", "int4", "int8")
_KNOWN = "trigger_worker_view_columns"
# Of a domain `typcategory` is that of its base. Views are found as the statements find them.
_COLUMNS = """
    select c.relname, a.attname, t.typcategory, t.typname
    from unnest(%(views)s) as v (name)
    join pg_class c on c.oid = to_regclass(v.name)
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_type t on t.oid = a.atttypid
"""
_VIEWS = tuple(view.name for view in VIEWS)


class Kind(StrEnum):
    """What a column holds, as far as a statement has to know."""

    WHOLE = "N"
    DECIMAL = "numeric"
    TEXT = "S"
    FLAG = "B"
    TIME = "timestamptz"
    UUID = "uuid"
    OTHER = "?"


class Columns(NamedTuple):
    """The columns of one view, by name, and the SQL over them."""

    kinds: tuple[tuple[str, Kind], ...] = ()

    def kind(self, column: str, usual: Kind) -> Kind:
        """What a column holds; the usual where the view has it so, or does not have it."""
        return dict(self.kinds).get(column, usual)

    def has(self, column: str) -> bool:
        """Whether the view has a column."""
        return any(name == column for name, _ in self.kinds)

    def id(self, column: str) -> str:
        """The value as bigint; null for null and for a text that is no id."""
        if self._is_number(column):
            return f"cast({column} as bigint)"
        return f"case when {self._is_id(column)} then cast(cast({column} as text) as bigint) end"

    def flag(self, column: str) -> str:
        """The value as boolean; false for what is neither true nor false."""
        if self.kind(column, Kind.FLAG) is Kind.FLAG:
            return f"coalesce({column}, false)"
        return f"coalesce({_word(column)} in ({_listed(TRUE)}), false)"

    def unclear(
        self, ids: tuple[str, ...] = (), flags: tuple[str, ...] = (), **words: tuple[str, ...]
    ) -> str:
        """The columns whose values are none of the allowed ones, as `UnclearColumns`; null if none.

        `ids` may be null. `words` are columns with their allowed words.
        """
        clear = {column: self.is_flag(column) for column in flags}
        clear |= {column: is_word(column, allowed) for column, allowed in words.items()}
        clear |= {
            column: f"({column} is null or {self._is_id(column)})"
            for column in ids
            if not self._is_number(column)
        }
        if not clear:
            return "cast(null as text[])"
        said = " || ".join(
            f"case when {is_clear} then '{{}}' else array['{column}', cast({column} as text)] end"
            for column, is_clear in clear.items()
        )
        return f"case when {' and '.join(clear.values())} then null else cast({said} as text[]) end"

    def is_flag(self, column: str) -> str:
        """A condition: the value is true or false, in whatever words."""
        if self.kind(column, Kind.FLAG) is Kind.FLAG:
            return f"{column} is not null"
        return f"coalesce({_word(column)} in ({_listed(TRUE + FALSE)}), false)"

    def is_id(self, column: str) -> str:
        """A condition: the value is an id."""
        if self._is_number(column):
            number = f"cast({column} as numeric)"
            return (
                f"coalesce({number} between 1 and 9223372036854775807 and {number} % 1 = 0, false)"
            )
        return self._is_id(column)

    def any_of(self, column: str, parameter: str, alias: str = "") -> str:
        """A condition: the id is one of a parameter's, an array literal of numbers."""
        return f"{self.compared(column, alias)} = any(cast(:{parameter} as {self.array(column)}))"

    def none_of(self, column: str, parameter: str) -> str:
        """A condition: the id is none of a parameter's."""
        return f"{self.compared(column)} <> all(cast(:{parameter} as {self.array(column)}))"

    def array(self, column: str) -> str:
        """The type of an array of ids that are compared with the column."""
        return "bigint[]" if self._is_number(column) else "text[]"

    def compared(self, column: str, alias: str = "") -> str:
        """The column in a form that is compared with elements of such an array."""
        is_bare = self._is_number(column) or self.kind(column, Kind.WHOLE) is Kind.TEXT
        return f"{alias}{column}" if is_bare else f"cast({alias}{column} as text)"

    def _is_number(self, column: str) -> bool:
        return self.kind(column, Kind.WHOLE) in {Kind.WHOLE, Kind.DECIMAL}

    def _is_id(self, column: str) -> str:
        # The shortest form, for that is what is compared; nineteen digits may be more than 64 bits.
        return (
            f"coalesce(cast({column} as text) ~ '^[1-9][0-9]{{0,17}}$' or case when"
            f" cast({column} as text) ~ '^[1-9][0-9]{{18}}$' then"
            f" cast(cast({column} as text) as numeric) <= 9223372036854775807 end, false)"
        )


def one_of(column: str, allowed: tuple[str, ...]) -> str:
    """SQL: a word in lower case if it is allowed; otherwise as the view says it, '' for null."""
    return (
        f"case when cast({column} as text) in ({_listed(allowed)}) then cast({column} as text)"
        f" when {_word(column)} in ({_listed(allowed)}) then {_word(column)}"
        f" else coalesce(cast({column} as text), '') end"
    )


def is_word(column: str, allowed: tuple[str, ...]) -> str:
    """SQL of a condition: the value is one of these words, in whatever case."""
    listed = _listed(allowed)  # nearly always as it is written here, which costs less to see
    return f"coalesce(cast({column} as text) in ({listed}) or {_word(column)} in ({listed}), false)"


def columns_of(connection: Connection, view: str) -> Columns:
    """The columns of a platform's view, as the catalog had them when the session first asked."""
    known: dict[str, Columns] | None = connection.info.get(_KNOWN)
    if known is None:
        known = connection.info[_KNOWN] = _read(connection)
    return known.get(view, Columns())


def forget(connection: Connection) -> None:
    """Have the catalog asked again: a view may have been redefined."""
    connection.info.pop(_KNOWN, None)


def _read(connection: Connection) -> dict[str, Columns]:
    cursor: Any = connection.connection.cursor()
    try:
        cursor.execute(_COLUMNS, {"views": list(_VIEWS)})
        found = cursor.fetchall()
    except Error as error:
        fault: Any = error
        is_lost = connection.dialect.is_disconnect(fault, cursor.connection, cursor)
        if is_lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            _COLUMNS, {}, error, Error, connection_invalidated=is_lost
        ) from error
    finally:
        cursor.close()
    kinds: dict[str, dict[str, Kind]] = {}
    for view, column, category, name in found:
        kinds.setdefault(view, {})[column] = _kind(category, name)
    return {view: Columns(tuple(sorted(columns.items()))) for view, columns in kinds.items()}


def _kind(category: str, type_name: str) -> Kind:
    if category == Kind.WHOLE and type_name not in _WHOLE:
        return Kind.DECIMAL
    known = [kind for kind in Kind if kind.value in {category, type_name}]
    return known[0] if known else Kind.OTHER


def made_for(build: Callable[[Columns], str]) -> Callable[[Columns], Prepared]:
    """A statement that is made, and prepared, for the columns of a view as they are."""

    @lru_cache(maxsize=64)
    def made(columns: Columns) -> Prepared:
        return every_batch(build(columns))

    return made


def _word(column: str) -> str:
    return f"lower(btrim(cast({column} as text)))"


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)
