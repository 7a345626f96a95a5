"""The seam to a platform, as revision 0003 makes it: thirteen views over the platform's tables.

A view that exists already is the platform's own and is left as it is; one whose tables are absent
here is not made. Each view made carries a fingerprint of its definition as a comment, so that going
down drops what we made and leaves what the platform has replaced since.
"""

from __future__ import annotations

from dataclasses import dataclass

from job_trigger_worker.migrations.online import STAND_IN_MARK


@dataclass(frozen=True, slots=True)
class View:
    """A view's query, and the platform's tables that it reads.

    A stand-in that 0003 made itself does not count as a table of the platform: a view over an empty
    stand-in would say that no job exists.
    """

    query: str
    tables: tuple[str, ...]


_TARGETS = """
    select j.id as job_id, target.node_id, target.server_id, target.account
    from awp_automcation_job j
    cross join lateral (
        select null as node_id, case when j.job_type = 'action' then j.paramter -> 'servers' end
            as servers
        union all
        select case when jsonb_typeof(node -> 'node_id') in ('string', 'number')
                then node ->> 'node_id' end,
            node -> 'servers'
        from jsonb_array_elements(
            case when j.job_type = 'workflow' and jsonb_typeof(j.paramter -> 'nodes') = 'array'
                then j.paramter -> 'nodes' else '[]' end
        ) as nodes (node)
    ) as part
    cross join lateral (
        select part.node_id,
            case when server ->> 'server_id' ~ '^[0-9]{1,19}$'
                then (server ->> 'server_id')::numeric end as server_id,
            case when jsonb_typeof(server -> 'account') = 'string'
                then server ->> 'account' end as account
        from jsonb_array_elements(
            case when jsonb_typeof(part.servers) = 'array' then part.servers else '[]' end
        ) as servers (server)
    ) as read_target
    cross join lateral (
        select read_target.node_id, read_target.account,
            case when read_target.server_id between 1 and 9223372036854775807
                then read_target.server_id::bigint end as server_id
    ) as target
    where target.server_id is not null
"""

VIEWS = {
    "preflight_job": View(
        """
        select id as job_id, name, job_type, target_id, owner_id, enabled, paramter,
            max_lateness_s, version, is_canary
        from awp_automcation_job
        """,
        ("awp_automcation_job",),
    ),
    "preflight_server": View(
        "select id as server_id, name, ip, state from awp_server", ("awp_server",)
    ),
    "preflight_account": View(
        "select server_id, account, enabled, credential_id from awp_server_account",
        ("awp_server_account",),
    ),
    "preflight_credential": View(
        "select id as credential_id, kind, usable from awp_credential", ("awp_credential",)
    ),
    "preflight_owner": View(
        """
        select u.id as owner_id, u.name, u.enabled, array(
            select m.group_id from awp_user_group_member m
            where m.user_id = u.id order by m.group_id) as group_ids
        from awp_user u
        """,
        ("awp_user", "awp_user_group_member"),
    ),
    "preflight_automation": View(
        """
        select 'action' as job_type, id as target_id, name, enabled from awp_action
        union all
        select 'workflow', id, name, enabled from awp_workflow
        """,
        ("awp_action", "awp_workflow"),
    ),
    "preflight_grant": View(
        "select principal_kind, principal_id, job_type, target_id from awp_automation_grant",
        ("awp_automation_grant",),
    ),
    "console_job": View(
        """
        select j.id as job_id, j.name, j.job_type, j.target_id,
            coalesce(a.name, w.name) as automation_name, j.owner_id, u.name as owner_name,
            j.enabled, j.schedule, j.timezone, j.version, j.updated_at, null::text as platform_url
        from awp_automcation_job j
        left join awp_action a on j.job_type = 'action' and a.id = j.target_id
        left join awp_workflow w on j.job_type = 'workflow' and w.id = j.target_id
        left join awp_user u on u.id = j.owner_id
        """,
        ("awp_automcation_job", "awp_action", "awp_workflow", "awp_user"),
    ),
    # A job is seen by the groups of its owner.
    "console_job_group": View(
        """
        select j.id as job_id, m.group_id
        from awp_automcation_job j join awp_user_group_member m on m.user_id = j.owner_id
        """,
        ("awp_automcation_job", "awp_user_group_member"),
    ),
    # A user without a group is a row without a group.
    "console_member": View(
        """
        select u.login, u.id as user_id, m.group_id, u.role
        from awp_user u left join awp_user_group_member m on m.user_id = u.id
        where u.enabled
        """,
        ("awp_user", "awp_user_group_member"),
    ),
    "console_job_target": View(_TARGETS, ("awp_automcation_job",)),
    "console_execution": View(
        """
        select 'action' as job_type, execution_id, status, message, accepted_at, started_at,
            ended_at, null::text as platform_url
        from awp_action_execution
        union all
        select 'workflow', execution_id, status, message, accepted_at, started_at, ended_at, null
        from awp_workflow_execution
        """,
        (),
    ),
    "console_job_write": View(
        """
        select id as job_id, name, schedule, timezone, enabled, paramter, version
        from awp_automcation_job
        """,
        ("awp_automcation_job",),
    ),
}

_WRITE_JOB = """
    create function awp_write_job() returns trigger language plpgsql as $function$
    begin
        update awp_automcation_job set
            name = new.name, schedule = new.schedule, timezone = new.timezone,
            enabled = new.enabled, paramter = new.paramter,
            version = version + 1, updated_at = now()
        where id = old.job_id and version = old.version
        returning version into new.version;
        return case when found then new end;
    end $function$;
    create trigger awp_write_job instead of update on console_job_write
        for each row execute function awp_write_job();
"""
"""An edit counts the version up; one that was overtaken by another edit updates no row."""


def create(name: str) -> str:
    """SQL that makes a view, if it is absent and its tables are there with the columns it reads."""
    view = VIEWS[name]
    tables = ", ".join(f"'{table}'" for table in view.tables)
    over = f" over {', '.join(view.tables)}" if view.tables else ""
    trigger = _WRITE_JOB if name == "console_job_write" else ""
    return f"""
        do $migration$ begin
            if to_regclass('{name}') is not null or exists (
                select from unnest(array[{tables}]::text[]) as needed (name)
                where to_regclass(needed.name) is null
                   or obj_description(to_regclass(needed.name), 'pg_class') = '{STAND_IN_MARK}')
            then
                return;
            end if;
            create view {name} as {view.query};
            {trigger}
            execute 'comment on view {name} is ' || quote_literal({_fingerprint(name)});
        exception when undefined_column or datatype_mismatch or undefined_function then
            raise warning using message = 'View {name} is not made{over}: ' || sqlerrm || '.';
        end $migration$
        """


def drop(name: str) -> str:
    """SQL that drops a view which `create` made and nobody has replaced."""
    functions = "drop function awp_write_job();" if name == "console_job_write" else ""
    return f"""
        do $migration$ begin
            if obj_description(to_regclass('{name}'), 'pg_class') = {_fingerprint(name)} then
                drop view {name};
                {functions}
            end if;
        end $migration$
        """


def _fingerprint(name: str) -> str:
    """SQL: a hash that distinguishes definitions. Not md5, which some servers do not have."""
    return f"""'trigger-worker: definition ' || encode(
        sha256(convert_to(pg_get_viewdef(to_regclass('{name}')), 'UTF8')), 'hex')"""
