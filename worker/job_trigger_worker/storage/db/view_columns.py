"""The columns of the platform's views: of what type they are, and the SQL that reads them.

A platform keeps an id as a number or as text, a flag as a boolean, a number or a word. Which of
these it is, the catalog says, once a session; the statements are made accordingly, so that every
comparison is one that the platform's own index serves.

A value is looked at before it is cast: PostgreSQL would round a fraction to another object's id,
and raise for a NaN what it raises for a column that cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from psycopg2 import Error
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from job_trigger_worker.domain.platform_views import VIEWS
from job_trigger_worker.storage.db.prepared_statements import PreparedStatement, prepared

TRUE = ("true", "t", "yes", "y", "on", "1")
FALSE = ("false", "f", "no", "n", "off", "0")
"""Words for a flag, as PostgreSQL's own boolean takes them; compared without regard to case."""

_WHOLE = ("int2", "int4", "int8", "oid")
_ABOVE = 2**63
"""The first whole number that is no bigint; as a float it is exact."""
_KNOWN = "trigger_worker_view_columns"
# Of a domain `typcategory` is that of its base. Views are found as the statements find them.
_COLUMNS = """
    select c.relname, a.attname, b.typcategory, b.typname, e.typcategory, e.typname
    from unnest(%(views)s) as v (name)
    join pg_class c on c.oid = to_regclass(v.name)
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_type t on t.oid = a.atttypid
    join pg_type b on b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
    left join pg_type e on e.oid = b.typelem and b.typcategory = 'A'
"""
_VIEWS = tuple(view.name for view in VIEWS)


class Kind(StrEnum):
    """What a column holds, as far as a statement has to know."""

    WHOLE = "N"
    DECIMAL = "numeric"
    WHOLES = "array of N"
    DECIMALS = "array of numeric"
    TEXT = "S"
    FLAG = "B"
    ADDRESS = "I"
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
        """The value as bigint; null for null and for anything that is not an id."""
        return f"case when {self._is_whole(column, 1)} then {self._as_bigint(column)} end"

    def ids(self, column: str) -> str:
        """The value as bigint[] of one dimension; null for anything that is not an array of ids."""
        kind = self.kind(column, Kind.WHOLES)
        if kind is Kind.WHOLES:
            read = f"cast({column} as bigint[])"
        else:  # each by itself: the planner casts a constant array, whatever it is asked before
            array = column if kind is Kind.DECIMALS else _texts(column)
            read = f"array(select cast(id as bigint) from unnest({array}) as each (id))"
        return f"case when {self.is_ids(column)} then {read} end"

    def number(self, column: str) -> str:
        """The value as bigint; null for anything that is not a whole number, 0 or more."""
        return f"case when {self._is_whole(column, 0)} then {self._as_bigint(column)} end"

    def address(self, column: str) -> str:
        """The value as text; of an address of a network, which has a mask, the address alone."""
        if self.kind(column, Kind.TEXT) is Kind.ADDRESS:
            return f"host({column})"
        return f"cast({column} as text)"

    def text(self, column: str, alias: str = "") -> str:
        """The column in a form that is compared with texts: bare where that is what it holds."""
        if self.kind(column, Kind.TEXT) is Kind.TEXT:
            return f"{alias}{column}"
        return f"cast({alias}{column} as text)"

    def flag(self, column: str) -> str:
        """The value as boolean; false for what is neither true nor false."""
        if self.kind(column, Kind.FLAG) is Kind.FLAG:
            return f"coalesce({column}, false)"
        return f"coalesce({_word(column)} in ({_listed(TRUE)}), false)"

    def unclear(
        self,
        ids: tuple[str, ...] = (),
        flags: tuple[str, ...] = (),
        numbers: tuple[str, ...] = (),
        arrays: tuple[str, ...] = (),
        **words: tuple[str, ...],
    ) -> str:
        """The columns whose values are not allowed, as `UnclearColumns`; null if there are none.

        `ids`, `numbers` and `arrays` of ids may be null. `words` are columns with their allowed
        words.
        """
        clear = {column: self.is_flag(column) for column in flags}
        clear |= {column: is_word(column, allowed) for column, allowed in words.items()}
        clear |= {column: f"coalesce({self._is_whole(column, 1)}, true)" for column in ids}
        clear |= {column: f"coalesce({self._is_whole(column, 0)}, true)" for column in numbers}
        clear |= {column: f"({column} is null or {self.is_ids(column)})" for column in arrays}
        if not clear:
            return "cast(null as text[])"
        said = " || ".join(
            f"case when {is_clear} then '{{}}' else array['{column}', cast({column} as text)] end"
            for column, is_clear in clear.items()
        )
        return f"case when {' and '.join(clear.values())} then null else cast({said} as text[]) end"

    def is_flag(self, column: str) -> str:
        """A condition: the value is true or false, in any of the allowed words."""
        if self.kind(column, Kind.FLAG) is Kind.FLAG:
            return f"{column} is not null"
        return f"coalesce({_word(column)} in ({_listed(TRUE + FALSE)}), false)"

    def is_id(self, column: str) -> str:
        """A condition: the value is an id."""
        return f"coalesce({self._is_whole(column, 1)}, false)"

    def is_ids(self, column: str) -> str:
        """A condition: the value is an array of ids, of one dimension; it may be empty."""
        kind = self.kind(column, Kind.WHOLES)
        if kind is Kind.TEXT:  # as far as it can be cast
            is_array = f"{_exactly(column)} ~ '^[{{] *([0-9]+ *(, *[0-9]+ *)*)?[}}]$'"
            every = _every(_texts(column), _is_id("id"))
            return f"coalesce(case when {is_array} then {every} end, false)"
        is_flat = f"coalesce(array_ndims({column}), 1) = 1"
        if kind is Kind.WHOLES:
            return f"(coalesce(1 <= all({column}), false) and {is_flat})"
        is_id = _is_id("id")
        if kind is Kind.DECIMALS:
            is_id = _is_whole("id", 1)
        return f"({column} is not null and {is_flat} and {_every(column, is_id)})"

    def is_number(self, column: str) -> str:
        """A condition: the value is a whole number, 0 or more."""
        return f"coalesce({self._is_whole(column, 0)}, false)"

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

    def _is_whole(self, column: str, least: Literal[0, 1]) -> str:
        """A condition: the value is a whole number from the least on; null for null alone."""
        kind = self.kind(column, Kind.WHOLE)
        if kind is Kind.WHOLE:
            return f"cast({column} as bigint) >= {least}"
        if kind is Kind.DECIMAL:
            return _is_whole(column, least)
        return _is_id(column) if least else _is_number(_exactly(column))

    def _as_bigint(self, column: str) -> str:
        number = column if self._is_number(column) else f"cast({column} as text)"
        return f"cast({number} as bigint)"


def _is_whole(number: str, least: int) -> str:
    """SQL of a condition: a number of a type with decimals is a whole one that a bigint holds."""
    # In the column's own type, because numeric has fewer digits of a float than the float. NaN is
    # greater than every number.
    return f"({number} >= {least} and {number} < {_ABOVE} and {number} = trunc({number}))"


def _is_id(column: str) -> str:
    """SQL of a condition: a text is an id."""
    # The shortest form, for that is what is compared; nineteen digits may be more than 64 bits.
    return (
        f"({_exactly(column)} ~ '^[1-9][0-9]{{0,17}}$' or case when"
        f" {_exactly(column)} ~ '^[1-9][0-9]{{18}}$' then"
        f" cast(cast({column} as text) as numeric) < {_ABOVE} else false end)"
    )


def _is_number(text: str) -> str:
    """SQL of a condition: a text is a whole number, 0 or more, as PostgreSQL reads one."""
    return (
        f"case when {text} ~ '^ *[+]?[0-9]{{1,40}} *$' then cast({text} as numeric) < {_ABOVE}"
        f" when {text} is not null then false end"
    )


def _every(array: str, is_good: str) -> str:
    """SQL of a condition: it holds for each `id` of an array."""
    is_good = f"coalesce({is_good}, false)"
    return f"not exists (select from unnest({array}) as each (id) where not {is_good})"


def _texts(column: str) -> str:
    return f"cast({column} as text[])"


def one_of(column: str, allowed: tuple[str, ...]) -> str:
    """SQL: a word in lower case if it is allowed; otherwise as the view says it, '' for null."""
    listed = _listed(allowed)
    return (
        f"case when {_exactly(column)} in ({listed}) then {_exactly(column)}"
        f" when {_word(column)} in ({listed}) then {_word(column)}"
        f" else coalesce(cast({column} as text), '') end"
    )


def is_word(column: str, allowed: tuple[str, ...]) -> str:
    """SQL of a condition: the value is one of these words, in any case."""
    listed = _listed(allowed)  # nearly always as it is written here, which costs less to see
    return f"coalesce({_exactly(column)} in ({listed}) or {_word(column)} in ({listed}), false)"


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
    for view, column, category, name, *of_elements in found:
        kind = _kind(category, name)
        if kind is Kind.OTHER and all(of_elements):
            kind = _OF_ARRAYS.get(_kind(*of_elements), Kind.OTHER)
        kinds.setdefault(view, {})[column] = kind
    return {view: Columns(tuple(sorted(columns.items()))) for view, columns in kinds.items()}


_OF_ARRAYS = {Kind.WHOLE: Kind.WHOLES, Kind.DECIMAL: Kind.DECIMALS}


def is_no_number(type_name: str) -> bool:
    """Whether a type that PostgreSQL counts among the numbers is none that can be counted with."""
    return type_name == "money" or type_name.startswith("reg")


def _kind(category: str, type_name: str) -> Kind:
    if category == Kind.WHOLE and type_name not in _WHOLE:
        return Kind.OTHER if is_no_number(type_name) else Kind.DECIMAL
    known = [kind for kind in Kind if kind.value in {category, type_name}]
    return known[0] if known else Kind.OTHER


def made_for(build: Callable[[Columns], str]) -> Callable[[Columns], PreparedStatement]:
    """A statement that is made, and prepared, for the columns of a view as they are."""

    @lru_cache(maxsize=64)
    def made(columns: Columns) -> PreparedStatement:
        return prepared(build(columns), reads_view=True)

    return made


def _word(column: str) -> str:
    return f"lower(btrim({_exactly(column)}))"


def _exactly(column: str) -> str:
    """The text, equal to itself alone: by its column's collation, 'OFF' may be equal to 'off'.

    Nor may a column of such a collation be compared with a pattern, before PostgreSQL 18.
    """
    return f'cast({column} as text) collate "C"'


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)
