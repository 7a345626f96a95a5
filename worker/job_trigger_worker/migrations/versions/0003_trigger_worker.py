"""What the worker adds: its columns, ledger, outbox, dead letters, console, and the seam of views.

For tables that hold rows and are in use. Columns are null or have a constant default, so no row is
rewritten; a strong lock is waited for at most a second at a time (`Patience`); the indexes on the
records are built concurrently, and one that a failure left invalid is dropped and built anew. Every
statement commits alone and can run again: after a failure, run the migration again.

On a platform with tables of its own:

- A relation that the worker writes to and that is absent is made: `awp_job_execution` and the two
  histories as tables, and `awp_automcation_job` as a stand-in with no rows, which R3's projection
  updates to no effect. The platform may put an updatable view in its place, before or after.
- A view that exists is left alone; one whose tables are absent, or have other columns, is not made
  (`trigger-worker migrate` names it).
- Indexes on the jobs are made where these are a table; a view's tables are the platform's to index.
- The group `AutomationAdmins` is kept where the tables of section 5 are; otherwise the platform
  grants in its own way.

Going down drops what was made here, with what is in it, but leaves the group `AutomationAdmins`
and its grants: taking a permission away is no part of going down.
"""

from __future__ import annotations

from job_trigger_worker.migrations import views
from job_trigger_worker.migrations.columns import (
    JOB_COLUMNS,
    OUTCOME,
    PLATFORM_JOB_COLUMNS,
    RECORD_COLUMNS,
    STAND_INS,
)
from job_trigger_worker.migrations.going import Goes
from job_trigger_worker.migrations.online import (
    COLUMN_MARK,
    STAND_IN_MARK,
    add_columns,
    at_once,
    changing,
    drop_columns,
    index,
    run,
    short,
)

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

RECORD_INDEXES = {
    "awp_job_execution_idempotency_key": ("(idempotency_key)", True),
    # Of rows that the platform writes itself; in ours the idempotency key is the execution id.
    "awp_job_execution_execution": ("(execution_id) where idempotency_key is null", False),
    # The newest record of a job. A slot from ahead counts from its decision; a canary never
    # counts, nor does a trigger that was too early.
    "awp_job_execution_newest": (
        """(job_id, least(scheduled_at, decided_at) desc nulls last, id desc)
        where trigger_kind is distinct from 'canary' and trigger_code is distinct from 'too_early'
        """,
        False,
    ),
    # From a time to the ids around it. Records of a batch share one: 7 bytes each.
    "awp_job_execution_decided": ("(decided_at)", False),
    # Triggers whose producer chose an id; the others are found by their idempotency key.
    "awp_job_execution_trigger": ("(trigger_id) where trigger_id <> idempotency_key", False),
    # Failures: lists and sums, by code, by cause.
    "awp_job_execution_failed": (
        "(id) include (decided_at, trigger_code, job_id) where trigger_status = 2",
        False,
    ),
    "awp_job_execution_code": ("(trigger_code, id) where trigger_status = 2", False),
    "awp_job_execution_causes": ("using gin (causes) where trigger_status = 2", False),
}
# Of columns that a trigger rarely changes, so that an update of a job touches no index.
JOB_INDEXES = {
    "awp_automcation_job_failing": (
        "((coalesce(failing_since, '-infinity')), id) where trigger_status = 2"
    ),
    "awp_automcation_job_name": """((lower(name) collate "C"), id)""",
}
# Preflight looks for grants by target: how a platform spells the type it does not know beforehand.
GRANT_INDEX = "awp_automation_grant_target"
OURS = {
    "awp_trigger_database": """
        create table if not exists awp_trigger_database (
            is_one boolean primary key default true check (is_one),
            id uuid not null default gen_random_uuid(),
            secret uuid not null default gen_random_uuid(),
            made_at timestamptz not null default now()
        )
        """,
    "awp_trigger_ledger": """
        create table if not exists awp_trigger_ledger (
            id int generated always as identity primary key,
            topic text not null,
            topic_id text not null,
            "partition" int not null,
            epoch bigint not null default 0,
            owner text,
            last_offset bigint not null default -1,
            deliveries bigint not null default 0,
            records bigint not null default 0,
            applied bigint not null default 0,
            duplicates bigint not null default 0,
            redeliveries bigint not null default 0,
            dead_letters bigint not null default 0,
            events bigint not null default 0,
            published bigint not null default 0,
            log_end bigint,
            lost int8multirange not null default '{}',
            rewound int8multirange not null default '{}',
            pruned_records bigint not null default 0,
            pruned_repeats bigint not null default 0,
            pruned_letters bigint not null default 0,
            pruned_before timestamptz,
            updated_at timestamptz not null default now(),
            unique (topic, topic_id, "partition")
        ) with (fillfactor = 20)
        """,  # few rows, each updated with every batch: room for it on the page
    "awp_trigger_outbox": """
        create table if not exists awp_trigger_outbox (
            id bigint generated always as identity primary key,
            ledger_id int not null references awp_trigger_ledger,
            events int not null,
            payload bytea not null,
            created_at timestamptz not null default now()
        ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)
        """,  # rows come and go
    "awp_dead_letter": """
        create table if not exists awp_dead_letter (
            id bigint generated always as identity primary key,
            ledger_id int not null references awp_trigger_ledger,
            origin_offset bigint not null,
            last_offset bigint,  -- of a range that could not be unpacked
            reason text not null,
            job_id bigint,
            execution_id uuid,
            key bytea,
            headers bytea not null,
            value bytea,
            size int,  -- with sha256: the value as it came, where less of it is kept
            sha256 bytea,
            message_at timestamptz,
            created_at timestamptz not null default now(),
            replayed_at timestamptz,
            nonce uuid not null default gen_random_uuid(),
            unique (ledger_id, origin_offset)
        )
        """,  # the nonce signs what repeats the letter, and is nobody's to read
    # That somebody has had triggers sent; the nonce signs each of them.
    "awp_trigger_note": """
        create table if not exists awp_trigger_note (
            id bigint generated always as identity primary key,
            at timestamptz not null default now(),
            login text not null,
            triggers int not null,
            nonce uuid not null default gen_random_uuid()
        )
        """,
    # Ends of a run that differ from the one that stands in its history.
    "awp_execution_contradiction": """
        create table if not exists awp_execution_contradiction (
            execution_id uuid primary key,
            ends int not null,
            status text not null,
            message text,
            first_at timestamptz not null default now(),
            last_at timestamptz not null default now()
        )
        """,
    # Rows of the histories that we have inserted for runs without a record: few, and not for long.
    "awp_unknown_execution": """
        create table if not exists awp_unknown_execution (
            id bigint generated always as identity primary key,
            execution_id uuid not null unique,
            job_type text not null,
            seen_at timestamptz not null default now()
        )
        """,
    # Jobs whose columns are behind their records, because somebody had the row locked: few, and not
    # for long. A job may stand here more than once, so that nobody waits to note it.
    "awp_job_reprojection": """
        create table if not exists awp_job_reprojection (
            id bigint generated always as identity primary key,
            job_id bigint not null,
            noted_at timestamptz not null default now()
        )
        """,
    "awp_acknowledgement": """
        create table if not exists awp_acknowledgement (
            id bigint generated always as identity primary key,
            kind text not null check (kind in ('lost', 'rewound', 'letters', 'deleted')),
            ledger_id int references awp_trigger_ledger,
            ranges int8multirange not null default '{}',
            records bigint not null default 0,
            repeats bigint not null default 0,
            letters bigint not null default 0,
            deleted_before timestamptz,
            acknowledged_by text not null,
            reason text not null,
            acknowledged_at timestamptz not null default now()
        )
        """,  # `ranges` are offsets of the ledger row; of kind letters, ids of dead letters
    "awp_console_session": """
        create table if not exists awp_console_session (
            token_hash bytea primary key,
            login text not null,
            name text not null,
            role text not null,
            source text not null check (source in ('file', 'link')),
            stamp text not null,
            created_at timestamptz not null,
            seen_at timestamptz not null,
            ends_at timestamptz not null
        ) with (fillfactor = 70)
        """,
    "awp_console_link": """
        create table if not exists awp_console_link (
            token_hash bytea primary key,
            login text not null,
            name text not null,
            role text not null,
            ends_at timestamptz not null
        )
        """,
    "awp_console_change": """
        create table if not exists awp_console_change (
            id bigint generated always as identity primary key,
            at timestamptz not null default now(),
            login text not null,
            object_kind text not null,
            object_id text not null,
            action text not null,
            "before" jsonb,
            "after" jsonb
        )
        """,
}
DETAILS = (
    # One row: the id by which a group's offsets know which database they are copies of.
    "insert into awp_trigger_database default values on conflict do nothing",
    """
    create index if not exists awp_console_change_object
    on awp_console_change (object_kind, object_id, id)
    """,
    "create index if not exists awp_job_reprojection_job on awp_job_reprojection (job_id)",
    "create index if not exists awp_trigger_outbox_ledger on awp_trigger_outbox (ledger_id, id)",
    # The payload is compressed already.
    "alter table awp_trigger_outbox alter column payload set storage external",
)

ADMINS_FUNCTION = """
    create or replace function awp_grant_automation_admins() returns trigger
    language plpgsql as $function$
    begin
        insert into awp_automation_grant (principal_kind, principal_id, job_type, target_id)
        select 'group', g.id, tg_argv[0], new.id
        from awp_user_group g where g.name = 'AutomationAdmins'
        on conflict do nothing;
        return null;
    end $function$;
"""
DROPS = (
    *(Goes(table) for table in OURS),
    *(Goes(table, STAND_IN_MARK) for table in STAND_INS),
    Goes("awp_job_execution", COLUMN_MARK, tuple(RECORD_COLUMNS)),
    Goes("awp_automcation_job", COLUMN_MARK, tuple(PLATFORM_JOB_COLUMNS | JOB_COLUMNS)),
)


def upgrade() -> None:
    with changing():
        for table, columns in STAND_INS.items():
            run(_stand_in(table, columns))
        add_columns("awp_automcation_job", PLATFORM_JOB_COLUMNS | JOB_COLUMNS)
        run(_require("awp_automcation_job", ("id", *OUTCOME, *JOB_COLUMNS)))
        add_columns("awp_job_execution", RECORD_COLUMNS)
        run(_require("awp_job_execution", ("id", "job_id", "job_type", "execution_id")))
        for name, (definition, is_unique) in RECORD_INDEXES.items():
            index(name, "awp_job_execution", definition, is_unique=is_unique)
        for name, definition in JOB_INDEXES.items():
            short("awp_automcation_job", _job_index(name, definition))
        short("awp_automation_grant", _index_grants())
        for statement in OURS.values():
            run(statement)
        for statement in DETAILS:
            run(statement)
        for name in views.VIEWS:
            short(name, views.create(name))
        for table, job_type in (("awp_action", "action"), ("awp_workflow", "workflow")):
            short(table, _grant_to_admins(table, job_type))


def downgrade() -> None:
    records, jobs = "awp_job_execution", "awp_automcation_job"
    at_once(
        [
            *((table, _stop_granting(table)) for table in ("awp_action", "awp_workflow")),
            ("awp_action", "drop function if exists awp_grant_automation_admins()"),
            *((name, views.drop(name)) for name in views.VIEWS),
            *((table, f"drop table if exists {table}") for table in reversed(OURS)),
            *((records, f"drop index if exists {name}") for name in RECORD_INDEXES),
            *((jobs, f"drop index if exists {name}") for name in JOB_INDEXES),
            ("awp_automation_grant", f"drop index if exists {GRANT_INDEX}"),
            *((table, _drop_stand_in(table)) for table in STAND_INS),
            (records, drop_columns(records, RECORD_COLUMNS)),
            (jobs, drop_columns(jobs, PLATFORM_JOB_COLUMNS | JOB_COLUMNS)),
        ]
    )


def _index_grants() -> str:
    return _plain_index(GRANT_INDEX, "awp_automation_grant", "(target_id, principal_id)")


def _job_index(name: str, definition: str) -> str:
    return _plain_index(name, "awp_automcation_job", definition)


def _plain_index(name: str, table: str, definition: str) -> str:
    """SQL that builds an index, where there is a table with the columns that it needs.

    In one go, and so holding writes up: less than a second for a million rows.
    """
    return f"""
        do $migration$ begin
            if exists (select from pg_class
                       where oid = to_regclass('{table}') and relkind in ('r', 'p'))
            then
                create index if not exists {name} on {table} {definition};
            end if;
        exception when undefined_column then
            null;
        end $migration$
        """


def _stand_in(table: str, columns: dict[str, str]) -> str:
    """SQL that makes a table which the worker writes to, where the platform has none."""
    listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return f"""
        do $migration$ begin
            if to_regclass('{table}') is null then
                create table {table} ({listed});
                comment on table {table} is '{STAND_IN_MARK}';
            end if;
        end $migration$
        """


def _drop_stand_in(table: str) -> str:
    return f"""
        do $migration$ begin
            if obj_description(to_regclass('{table}'), 'pg_class') = '{STAND_IN_MARK}' then
                drop table {table};
            end if;
        end $migration$
        """


def _require(relation: str, columns: tuple[str, ...]) -> str:
    """SQL that stops, in a sentence, where a relation lacks a column that the worker uses."""
    listed = ", ".join(f"'{name}'" for name in columns)
    return f"""
        do $migration$
        declare
            missing text;
        begin
            select string_agg(needed.name, ', ' order by needed.place) into missing
            from unnest(array[{listed}]) with ordinality as needed (name, place)
            where not exists (
                select from pg_attribute a
                where a.attrelid = to_regclass('{relation}') and a.attname = needed.name
                  and a.attnum > 0 and not a.attisdropped);
            if missing is not null then
                raise exception using errcode = 'undefined_column',
                    message = '{relation} lacks the columns ' || missing,
                    hint = 'Add them to the table, or to the updatable view of that name.';
            end if;
        end $migration$
        """


def _grant_to_admins(table: str, job_type: str) -> str:
    """SQL that grants the table's automations, old and new, to the group AutomationAdmins.

    Where a grant could not be written later, there is no trigger either: it would refuse the
    platform's own new automations.
    """
    return f"""
        do $migration$
        declare
            required text;
        begin
            if (select count(*) from pg_class
                where oid in (to_regclass('{table}'), to_regclass('awp_user_group'),
                              to_regclass('awp_automation_grant'))
                  and relkind in ('r', 'p')) < 3 then
                return;
            end if;
            select string_agg(attname, ', ') into required from pg_attribute
            where attrelid = to_regclass('awp_automation_grant') and attnum > 0
              and attnotnull and not atthasdef and attidentity = '' and not attisdropped
              and attname not in ('principal_kind', 'principal_id', 'job_type', 'target_id');
            if required is not null then
                raise not_null_violation using
                    message = 'awp_automation_grant needs a value for ' || required;
            end if;
            insert into awp_user_group (name) select 'AutomationAdmins'
            where not exists (select from awp_user_group where name = 'AutomationAdmins')
            on conflict do nothing;
            {ADMINS_FUNCTION}
            create or replace trigger awp_grant_automation_admins after insert on {table}
                for each row execute function awp_grant_automation_admins('{job_type}');
            insert into awp_automation_grant (principal_kind, principal_id, job_type, target_id)
            select 'group', g.id, '{job_type}', a.id
            from {table} a cross join awp_user_group g where g.name = 'AutomationAdmins'
            on conflict do nothing;
        exception when undefined_column or datatype_mismatch or undefined_function
            or integrity_constraint_violation or insufficient_privilege
        then
            raise warning using message =
                'AutomationAdmins is not granted what is in {table}: ' || sqlerrm || '.';
        end $migration$
        """


def _stop_granting(table: str) -> str:
    return f"""
        do $migration$ begin
            if exists (select from pg_trigger
                       where tgrelid = to_regclass('{table}')
                         and tgname = 'awp_grant_automation_admins') then
                drop trigger awp_grant_automation_admins on {table};
            end if;
        end $migration$
        """
