"""What the three roles of deploy/sql/roles.sql may do, and which grants a view or table has lost.

Looked at where that file was run: where one of the roles may read the ledger, the records or a
view. So the roles of another database on the same server are nobody's concern here.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from job_trigger_worker.domain.platform_views import VIEWS
from job_trigger_worker.migrations.prerequisites import JOBS
from job_trigger_worker.storage.db.arrays import texts
from job_trigger_worker.storage.platform.report import Finding, PlatformProblem

_WORKER, _CONSOLE, _READER = "trigger_worker", "trigger_console", "trigger_reader"
_EDITED = "console_job_write"
_NEEDED = {JOBS, *(view.name for view in VIEWS if view.is_needed)}
"""Without these a worker ends."""

_WRITTEN = {
    "awp_job_execution": ("insert", "update"),
    "awp_trigger_ledger": ("insert", "update"),
    "awp_trigger_outbox": ("insert", "update", "delete"),
    "awp_dead_letter": ("insert", "update"),
    "awp_job_reprojection": ("insert", "update", "delete"),
    "awp_acknowledgement": ("insert",),
    "awp_action_execution": ("insert", "update", "delete"),
    "awp_workflow_execution": ("insert", "update", "delete"),
    "awp_unknown_execution": ("insert", "delete"),
    "awp_execution_contradiction": ("insert", "update", "delete"),
    "awp_trigger_database": (),
    "awp_trigger_note": (),
}
"""What the worker does with its own tables, and with the histories, beside reading them."""
_OF_THE_CONSOLE = {
    "awp_trigger_note": ("insert", "delete"),
    "awp_console_session": ("insert", "update", "delete"),
    "awp_console_link": ("insert", "delete"),
    "awp_console_change": ("insert",),
    "awp_dead_letter": ("update",),
}
_DOES = {"select": "read", "insert": "insert into", "update": "update", "delete": "delete from"}

_GRANTED = (
    *((view, role, "select") for view in _NEEDED for role in (_WORKER, _CONSOLE, _READER)),
    *(
        (view.name, role, "select")
        for view in VIEWS
        if view.name not in {*_NEEDED, _EDITED}
        for role in (_CONSOLE, _READER)
    ),
    (JOBS, _WORKER, "update"),
    (_EDITED, _CONSOLE, "select"),
    (_EDITED, _CONSOLE, "update"),
    *(
        (table, role, privilege)
        for role, tables in ((_WORKER, _WRITTEN), (_CONSOLE, _OF_THE_CONSOLE))
        for table, privileges in tables.items()
        for privilege in ("select", *privileges)
    ),
)
"""A view or table, a role, and what deploy/sql/roles.sql lets it do there."""

_ROLES = f"""
    join pg_roles r on r.rolname = w.role and exists (
        select from pg_roles known
        cross join unnest(array['awp_trigger_ledger', 'awp_job_execution', 'preflight_job']) as s
        where known.rolname in ('{_WORKER}', '{_CONSOLE}', '{_READER}')
          and has_any_column_privilege(known.oid, to_regclass(s), 'select'))
    join pg_class c on c.oid = to_regclass(w.view)
"""
_LOST = text(
    f"""
    select w.view, w.privilege, array_agg(distinct w.role order by w.role) as roles,
        bool_and(c.relkind = 'v') as is_view
    from unnest(cast(:views as text[]), cast(:roles as text[]), cast(:privileges as text[]))
        as w (view, role, privilege)
    {_ROLES}
    where not case when w.privilege = 'delete' then has_table_privilege(r.oid, c.oid, 'delete')
        else has_any_column_privilege(r.oid, c.oid, w.privilege) end
    group by w.view, w.privilege
    order by w.view, array_position(array['select', 'insert', 'update', 'delete'], w.privilege)
    """
)
# What a function touches nobody can know without running it: most write to what their view reads.
_INVOKING = text(
    f"""
    select w.view, w.role, t.tgname as trigger,
        cast(cast(p.oid as regprocedure) as text) as function
    from (values ('{JOBS}', '{_WORKER}'), ('{_EDITED}', '{_CONSOLE}')) as w (view, role)
    {_ROLES}
    join pg_trigger t on t.tgrelid = c.oid and t.tgenabled <> 'D' and not t.tgisinternal
        and t.tgtype & 80 = 80  -- INSTEAD OF UPDATE
    join pg_proc p on p.oid = t.tgfoid and not p.prosecdef
    where not exists (
        select from pg_rewrite rule
        join pg_depend d on d.classid = cast('pg_rewrite' as regclass) and d.objid = rule.oid
            and d.refclassid = cast('pg_class' as regclass) and d.refobjid <> c.oid
        join pg_class b on b.oid = d.refobjid
        where rule.ev_class = c.oid and has_schema_privilege(r.oid, b.relnamespace, 'usage')
          and has_any_column_privilege(r.oid, b.oid, 'update'))
    order by w.view, t.tgname
    """
)


def lost(connection: Connection) -> Iterator[Finding]:
    """Views and tables that the roles may not use as they have to.

    A view that was made again has lost its grants. A note where that ends no worker.
    """
    views, roles, privileges = zip(*_GRANTED, strict=True)
    values = {"views": texts(views), "roles": texts(roles), "privileges": texts(privileges)}
    told: set[tuple[str, str]] = set()
    for row in connection.execute(_LOST, values):
        lacking = [role for role in row.roles if (row.view, role) not in told]
        if not lacking:
            continue
        told.update((row.view, role) for role in lacking)
        *others, last = lacking
        who = f"roles {', '.join(others)} and {last}" if others else f"role {last}"
        what = _DOES[row.privilege]
        why = ": a view that was dropped and made again has lost its grants" if row.is_view else ""
        yield Finding(
            PlatformProblem.LOST_GRANTS,
            row.view,
            f"The {who} may not {what} {row.view}{why}. Run deploy/sql/roles.sql again.",
            is_note=_WORKER not in lacking or row.view not in {*_NEEDED, *_WRITTEN},
        )


def invoking(connection: Connection) -> Iterator[Finding]:
    """Triggers of the views that worker and console write to, which run with the writer's rights.

    Notes, where the writer's role may update none of the tables behind the view.
    """
    for row in connection.execute(_INVOKING):
        yield Finding(
            PlatformProblem.UNFIT_TABLE,
            row.view,
            f"The function {row.function} of the trigger {row.trigger} on {row.view} is not "
            f"`security definer`, and the role {row.role} may update no table behind this view. "
            "Make it `security definer`, or grant the role what it needs.",
            is_note=True,
        )
