"""What a database must satisfy before a migration may change anything in it.

One query that changes nothing. A platform may have tables of the names that the worker writes to;
what of them would stop a migration in its middle, or the worker later, is told here.
"""

from __future__ import annotations

from collections.abc import Iterable

from job_trigger_worker.migrations.columns import HISTORY, JOB_COLUMNS, OUTCOME, RECORD_COLUMNS

OLDEST_SERVER = 14
NEWEST_SERVER = 18
"""The first and the last major version of PostgreSQL that the tests run on."""

OF_THE_USER = 9
"""The kind of what concerns the user who migrates, and nobody afterwards."""

NOT_WRITABLE = (2, 3)
"""The kinds of what lets nothing be written to a relation, whatever the values."""

JOBS = "awp_automcation_job"
_RECORDS = "awp_job_execution"
_HISTORIES = ("awp_action_execution", "awp_workflow_execution")
_OWN_TABLE = (
    "Give the worker a plain table of that name, in a schema that stands before this one in its "
    "search_path (docs/platform.md)."
)
_ACCEPTED = {
    "bigint": ("bigint",),
    "int": ("integer", "bigint", "smallint"),
    "text": ("text", "character varying"),
    "varchar(1000)": ("text", "character varying"),
    "timestamptz": ("timestamp with time zone",),
}
"""Types that take what is meant for a column of ours, as `format_type` names them."""


def _types(kind: str) -> tuple[str, ...]:
    name = kind.split(maxsplit=1)[0]
    return _ACCEPTED.get(name, (name,))


_IDS = ("bigint", "integer")
_COLUMNS = {
    _RECORDS: {
        "id": _IDS,
        "job_id": ("bigint",),
        "job_type": _types("text"),
        "execution_id": ("uuid",),
        **{name: _types(kind) for name, kind in {**OUTCOME, **RECORD_COLUMNS}.items()},
    },
    JOBS: {
        "id": (*_IDS, "smallint", "numeric"),
        **{name: _types(kind) for name, kind in {**OUTCOME, **JOB_COLUMNS}.items()},
    },
    **{table: {name: _types(kind) for name, kind in HISTORY.items()} for table in _HISTORIES},
}
_ADDED = {_RECORDS: {**OUTCOME, **RECORD_COLUMNS}, JOBS: {**OUTCOME, **JOB_COLUMNS}}
"""Columns that a table gets by a migration; a view has to have them before."""


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


_WANTED = ", ".join(
    f"({place}, '{table}', '{name}', array[{_quoted(types)}], {name in _ADDED.get(table, ())})"
    for table, columns in _COLUMNS.items()
    for place, (name, types) in enumerate(columns.items())
)
_SHOWN = _quoted((*OUTCOME, *JOB_COLUMNS))
_TABLES = _quoted(_COLUMNS)
_ALTERED = _quoted((_RECORDS, JOBS))
_REQUIRED = (
    "a.attnotnull and not a.atthasdef and a.attidentity = '' and a.attnum > 0 "
    "and not a.attisdropped"
)

PROBLEMS = f"""
with relations as (
    select c.oid, n.name, c.relkind, c.relispartition, c.relowner
    from unnest(array[{_TABLES}]) as n (name) join pg_class c on c.oid = to_regclass(n.name)
), wanted (place, relation, name, types, is_added) as (
    values {_WANTED}
), columns as (
    select r.name as relation, a.attname as name, a.atthasdef or a.attidentity <> '' as has_default,
        format_type(coalesce(nullif(t.typbasetype, 0), t.oid), null) as type
    from relations r
    join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    join pg_type t on t.oid = a.atttypid
), problems (place, relation, message, remedy) as (
    select 1, '', 'PostgreSQL ' || current_setting('server_version') || ' is older than '
            || '{OLDEST_SERVER}.',
        'Use PostgreSQL {OLDEST_SERVER} to {NEWEST_SERVER}.'
    where cast(current_setting('server_version_num') as int) < {OLDEST_SERVER}0000
    union all
    select 2, name, name || case
            when relkind = 'p' then ' is partitioned; its records need one unique key over all of '
                || 'it, and indexes that are built while it is in use.'
            when relispartition then ' is a partition of another table.'
            else ' is not a table.' end,
        '{_OWN_TABLE}'
    from relations where name = '{_RECORDS}' and (relkind <> 'r' or relispartition)
    union all
    select 2, name, name || ' is neither a table nor a view.', 'Define a view of that name.'
    from relations where name <> '{_RECORDS}' and relkind not in ('r', 'p', 'v')
    union all
    select 2, name, 'The view ' || name || ' cannot be updated.',
        'Define it so that an update reaches your jobs, or give it an INSTEAD OF UPDATE trigger '
            || '(docs/platform.md).'
    from relations
    where name = '{JOBS}' and relkind = 'v' and pg_relation_is_updatable(oid, true) & 4 = 0
    union all
    select 3, r.name,
        'The column ' || a.attname || ' of the view ' || r.name || ' cannot be updated, and the '
            || 'worker writes it.',
        'Write it as a plain column, or give the view an INSTEAD OF UPDATE trigger '
            || '(docs/platform.md).'
    from relations r join pg_attribute a on a.attrelid = r.oid and a.attname in ({_SHOWN})
    where r.name = '{JOBS}' and r.relkind = 'v'
        -- What takes updates and no deletes has a trigger or a rule, which takes every column.
        and pg_relation_is_updatable(r.oid, true) & 20 = 20
        and not pg_column_is_updatable(r.oid, a.attnum, true)
    union all
    select 3, r.name, r.name || ' lacks the columns '
            || string_agg(w.name, ', ' order by w.place) || '.',
        'Add them to the table, or to the updatable view of that name.'
    from relations r join wanted w on w.relation = r.name
    where (r.relkind = 'v' or not w.is_added) and not exists (
        select from columns c where c.relation = r.name and c.name = w.name)
    group by r.name
    union all
    select 4, c.relation,
        c.relation || '.' || c.name || ' is ' || c.type || ', and the worker needs '
            || array_to_string(w.types, ' or ') || '.',
        'Change its type, or give the worker a table or an updatable view of that name with the '
            || 'right one (docs/platform.md).'
    from columns c join wanted w on w.relation = c.relation and w.name = c.name
    where c.type <> all (w.types)
    union all
    select 5, '{_RECORDS}', '{_RECORDS}.id has no default, and the worker gives no ids.',
        'Give it one, such as a sequence that begins behind all ids that your application gives.'
    from columns c join relations r on r.name = c.relation and r.relkind in ('r', 'p')
    where c.relation = '{_RECORDS}' and c.name = 'id' and not c.has_default
    union all
    select 6, r.name,
        r.name || '.' || a.attname || ' must not be null and has no default, and the worker '
            || 'does not write it.',
        'Give it a default, or let it be null.'
    from relations r join pg_attribute a on a.attrelid = r.oid and {_REQUIRED}
    where r.name <> '{JOBS}' and r.relkind in ('r', 'p') and not exists (
        select from wanted w where w.relation = r.name and w.name = a.attname)
    union all
    select 7, r.name, r.name || ' has no unique index on execution_id alone.',
        'Make one: create unique index concurrently on ' || r.name || ' (execution_id).'
    from relations r
    where r.name in ({_quoted(_HISTORIES)}) and r.relkind in ('r', 'p') and not exists (
        select from pg_index i join pg_attribute a on a.attrelid = r.oid
            and a.attname = 'execution_id' and i.indkey[0] = a.attnum
        where i.indrelid = r.oid and i.indisunique and i.indisvalid and i.indnkeyatts = 1
            and i.indpred is null)
    union all
    select 8, '{_RECORDS}',
        'The foreign key ' || k.conname || ' of {_RECORDS} refuses the record of a trigger '
            || 'whose job is gone.',
        'Drop it: every trigger has its record.'
    from relations r join pg_constraint k on k.conrelid = r.oid and k.contype = 'f'
    where r.name = '{_RECORDS}' and exists (
        select from pg_attribute a where a.attrelid = r.oid and a.attnum = any(k.conkey)
            and a.attname in ('job_id', 'execution_id', 'owner_id', 'target_id'))
    union all
    select {OF_THE_USER}, r.name,
        'The user ' || current_user || ' is not the owner of ' || r.name || '.',
        'Run the migration as the owner of the tables.'
    from relations r
    where r.name in ({_ALTERED}) and r.relkind in ('r', 'p')
        and not pg_has_role(r.relowner, 'usage')
    union all
    select {OF_THE_USER}, '', 'The user ' || current_user || ' may not create tables in the schema '
            || coalesce(current_schema(), '(search_path names none)') || '.',
        'Grant create on the schema, or correct search_path.'
    where not coalesce(has_schema_privilege(current_schema(), 'create'), false)
)
select place, relation, message, remedy from problems order by place, message
"""
"""SQL: a row for each thing to correct first: its kind, table, sentence and remedy."""

AS_SCRIPT = f"""do $migration$
declare
    found record;
begin
    for found in{PROBLEMS.replace(chr(10), chr(10) + "        ").rstrip()}
    loop
        raise exception using message = found.message, hint = found.remedy;
    end loop;
end $migration$;

"""
"""The same for psql: stops before the first change."""
