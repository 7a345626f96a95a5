-- Three roles with as few rights as their work needs. Run as the owner of the tables, after
-- `trigger-worker migrate up` and again after each later one; it can be run any number of times:
--
--   psql -v ON_ERROR_STOP=1 -f deploy/sql/roles.sql
--
-- Again also after a view was dropped and made anew, which takes its grants away. Tables in a schema
-- of their own: PGOPTIONS='-c search_path=SCHEMA' before it; views in another one: both, by a comma.
--
-- Making the roles takes an owner with CREATEROLE, or a superuser who makes them beforehand:
--
--   create role trigger_worker nologin;
--   create role trigger_console nologin;
--   create role trigger_reader nologin;
--
-- Roles that are there are left as they are; all else takes nothing but ownership.
--
--   trigger_worker   what `trigger-worker worker`, `streams`, `audit` and `dlq` need
--   trigger_console  what `trigger-worker console` needs
--   trigger_reader   read only: dashboards, reports, people who look
--
-- None can log in. Whoever made them gives one to a login:
-- create user awp_worker password '…' in role trigger_worker;
-- Migrations run as the owner of the tables, never as one of these.

do $roles$
declare
    members constant text[] := array['trigger_worker', 'trigger_console', 'trigger_reader'];
    views constant text[] := array[
        'preflight_job', 'preflight_server', 'preflight_account', 'preflight_credential',
        'preflight_owner', 'preflight_automation', 'preflight_grant'
    ];
    pages constant text[] := array[
        'console_job', 'console_job_group', 'console_member', 'console_job_target',
        'console_execution'
    ];
    missing constant text[] := array(
        select name from unnest(members) with ordinality as wanted (name, place)
        where not exists (select from pg_roles where rolname = name) order by place
    );
    member text;
    relation text;
    place text;
begin
    if to_regclass('awp_trigger_ledger') is null then
        raise undefined_table using
            message = format('The worker''s tables are in %s, and search_path is %s.',
                (select coalesce('schema ' || string_agg(nspname, ', ' order by nspname), 'no schema')
                 from pg_class join pg_namespace on pg_namespace.oid = relnamespace
                 where relname = 'awp_trigger_ledger'),
                current_setting('search_path')),
            hint = 'Set PGOPTIONS=''-c search_path=SCHEMA'' for psql. Where they are in none: '
                'trigger-worker migrate up.';
    end if;
    if missing <> '{}' and not (
        select rolsuper or rolcreaterole from pg_roles where rolname = current_user
    ) then
        raise insufficient_privilege using
            message = format('The roles %s are not there, and %s may not make any.',
                array_to_string(missing, ', '), current_user),
            hint = format('Have a superuser run this, then run the file again as %s: %s',
                current_user,
                (select string_agg(format('create role %s nologin;', name), ' ')
                 from unnest(missing) as name));
    end if;
    if exists (select from unnest(views) as name where to_regclass(name) is null) then
        raise undefined_table using
            message = format('The views %s are not there; search_path is %s.',
                (select string_agg(name, ', ') from unnest(views) as name
                 where to_regclass(name) is null),
                current_setting('search_path')),
            hint = 'Define them over the platform''s tables (docs/platform.md), or have search_path '
                'name their schema too, and run this file again.';
    end if;
    foreach member in array missing loop
        execute 'create role ' || member || ' nologin';
    end loop;
    foreach member in array members loop
        execute 'grant usage on schema ' || quote_ident(current_schema()) || ' to ' || member;
        -- Tables and views may stand in several schemas of the search_path.
        for place in
            select distinct nspname from pg_class join pg_namespace on pg_namespace.oid = relnamespace
            where relname = any(views || pages || array[
                    'console_job_write', 'awp_automcation_job', 'awp_job_execution',
                    'awp_action_execution', 'awp_workflow_execution'
                ])
              and pg_class.oid = to_regclass(relname)
              and not has_schema_privilege(member, pg_namespace.oid, 'usage')
        loop
            execute 'grant usage on schema ' || quote_ident(place) || ' to ' || member;
        end loop;

        -- The platform, through its views; a console view may be absent.
        foreach relation in array views loop
            execute 'grant select on ' || relation || ' to ' || member;
        end loop;
        foreach relation in array pages loop
            if member <> 'trigger_worker' and to_regclass(relation) is not null then
                execute 'grant select on ' || relation || ' to ' || member;
            end if;
        end loop;
    end loop;

    -- Edits of a job go through this view, as a person with the role `admin` makes them. Where the
    -- view is ours it writes to our table; a platform's own view says itself what that takes.
    if to_regclass('console_job_write') is not null then
        grant select, update on console_job_write to trigger_console;
        begin
            grant update (name, schedule, timezone, enabled, paramter, version, updated_at)
                on awp_automcation_job to trigger_console;
            grant select (version, paramter, name, schedule, timezone, enabled)
                on awp_automcation_job to trigger_console;
        exception when undefined_column or wrong_object_type then
            null; -- the platform's own view, over something else
        end;
    end if;
end $roles$;

-- All read what the worker writes, and which revision the database is at.
grant select on
    awp_job_execution, awp_action_execution, awp_workflow_execution, awp_execution_contradiction,
    awp_trigger_ledger, awp_trigger_outbox, awp_unknown_execution, awp_job_reprojection,
    awp_acknowledgement,
    awp_trigger_revision
to trigger_worker, trigger_console, trigger_reader;

-- Ids of runs and nonces of dead letters are made with a secret: nobody else can tell them beforehand.
grant select on awp_trigger_database to trigger_worker, trigger_console;
revoke select on awp_trigger_database from trigger_reader;
grant select (is_one, id, made_at) on awp_trigger_database to trigger_reader;

-- Of dead letters readers see all but the nonce: whoever knows it can send triggers in its name.
grant select on awp_dead_letter to trigger_worker, trigger_console;
revoke select on awp_dead_letter from trigger_reader;
do $letters$
declare
    readable text;
begin
    select string_agg(quote_ident(attname), ', ' order by attnum) into readable
    from pg_attribute
    where attrelid = 'awp_dead_letter'::regclass and attnum > 0 and not attisdropped
      and attname <> 'nonce';
    execute 'grant select (' || readable || ') on awp_dead_letter to trigger_reader';
end $letters$;

-- Of a job only its last outcome (R3). The rest of the row is the platform's. A row that somebody has
-- locked is told by its xmax; a view has none.
do $jobs$ begin
    if exists (select from pg_class
               where oid = to_regclass('awp_automcation_job') and relkind in ('r', 'p')) then
        grant select (xmax, ctid) on awp_automcation_job to trigger_worker;
    end if;
end $jobs$;
grant select (
    id, trigger_status, trigger_message, last_execution_id, last_scheduled_at, failing_since,
    consecutive_failures
) on awp_automcation_job to trigger_worker, trigger_console, trigger_reader;
grant update (
    trigger_status, trigger_message, last_execution_id, last_scheduled_at, failing_since,
    consecutive_failures
) on awp_automcation_job to trigger_worker;

-- A record is written once. What may change: its repeats, and its outcome when the broker refuses
-- its dispatch for its size. This role deletes none: `trigger-worker retain` runs as the owner.
grant insert on awp_job_execution to trigger_worker;
grant update (
    duplicate_count, trigger_status, trigger_code, trigger_message, findings, causes, targets
) on awp_job_execution to trigger_worker;

-- The ledger's place (topic, topic id, partition) never changes and no row is deleted.
grant insert on awp_trigger_ledger to trigger_worker;
grant update (
    epoch, owner, last_offset, deliveries, records, applied, duplicates, redeliveries,
    dead_letters, events, published, log_end, lost, rewound, updated_at
) on awp_trigger_ledger to trigger_worker;

-- Jobs that could not be shown because somebody had them locked, until they are.
grant insert, update, delete on awp_job_reprojection to trigger_worker;

-- The outbox empties as the broker acknowledges; a payload is replaced when the broker refuses it.
grant insert, delete on awp_trigger_outbox to trigger_worker;
grant update (events, payload) on awp_trigger_outbox to trigger_worker;

-- A dead letter stays; that it was replayed is noted on it.
grant insert on awp_dead_letter to trigger_worker;
grant update (replayed_at) on awp_dead_letter to trigger_worker;

-- What people have acknowledged (`trigger-worker audit --acknowledge`) is written once and stays.
grant insert on awp_acknowledgement to trigger_worker;

-- The histories of action and orch, as their status events tell them.
grant insert on awp_action_execution, awp_workflow_execution to trigger_worker;
grant update (status, message, accepted_at, started_at, ended_at)
    on awp_action_execution, awp_workflow_execution to trigger_worker;

-- What is told of runs that nobody knows is swept: only rows that the worker inserted itself.
grant delete on awp_action_execution, awp_workflow_execution to trigger_worker;
grant insert, delete on awp_unknown_execution to trigger_worker;
grant insert, update, delete on awp_execution_contradiction to trigger_worker;

-- The console notes who has triggers sent, the worker looks that up. A note holds a nonce, so nobody
-- else reads it; old ones are swept as new ones come.
grant select, insert, delete on awp_trigger_note to trigger_console;
grant select on awp_trigger_note to trigger_worker;

-- The console: who is signed in, and what people changed. A change is written once and stays.
grant select, insert, update (seen_at), delete on awp_console_session to trigger_console;
grant select, insert, delete on awp_console_link to trigger_console;
grant select, insert on awp_console_change to trigger_console;
grant update (replayed_at) on awp_dead_letter to trigger_console;
