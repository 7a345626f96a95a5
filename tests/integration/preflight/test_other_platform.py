"""The pipeline on a platform with other tables, types and shapes: seven views and no code."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.storage.schema import revisions
from tests.support.postgres import PostgresServer
from tests.support.rig import Rig, trigger
from tests.support.sql import execute
from tests.support.topics import Broker
from tests.support.worker import running

TABLES = """
    create table timer (
        no varchar(20) primary key, title varchar(40), flow char(1), what int, args text,
        usr varchar(20), stopped smallint, grace interval, st int, msg text, rec bigint,
        slot timestamptz, since timestamptz, fails int not null default 0);
    create table host (asset varchar(20), label text, addr inet, power smallint, retired boolean);
    create table login (asset varchar(20), name text, vault varchar(8));
    create table person (usr varchar(20), full_name text, left_on date);
    create table may (usr varchar(20), flow char(1), what int);

    insert into host values ('H0007', 'db-07', '10.0.0.7', 1, false),
        ('H0008', 'db-08', '10.0.0.8', 0, false), ('H0009', 'db-09', '10.0.0.9', 1, true);
    insert into login values ('H0007', 'oracle', 'V3'), ('H0008', 'oracle', 'V3'),
        ('H0009', 'oracle', 'V3');
    insert into person values ('U5', 'Li Wei', null);
    insert into may values ('U5', 'A', 9), ('U5', 'W', 4);
    insert into timer (no, title, flow, what, args, usr, stopped, grace) values
        ('T101', 'good action', 'A', 9, 'H0007/oracle', 'U5', 0, null),
        ('T102', 'good workflow', 'W', 4, 'H0007/oracle', 'U5', 0, '2 hours'),
        ('T103', 'powered off', 'A', 9, 'H0008/oracle', 'U5', 0, null),
        ('T104', 'retired', 'A', 9, 'H0009/oracle', 'U5', 0, null),
        ('T105', 'not allowed', 'A', 8, 'H0007/oracle', 'U5', 0, null);
"""
VIEWS = """
    create view preflight_job as
        select substr(no, 2)::int as job_id, title as name,
            case flow when 'A' then 'action' else 'workflow' end::varchar as job_type,
            what::smallint as target_id, substr(usr, 2)::numeric as owner_id,
            stopped = 0 as enabled,
            case flow when 'A' then json_build_object('servers', targets)
                else json_build_object('nodes', json_build_array(json_build_object(
                    'node_id', 1, 'action_id', 9, 'servers', targets))) end as paramter,
            extract(epoch from grace)::int as max_lateness_s, 1 as version
        from timer, lateral (select json_build_array(json_build_object(
            'server_id', substr(args, 2, 4)::int, 'ip', null,
            'account', split_part(args, '/', 2))) as targets) t;
    create view preflight_server as
        select substr(asset, 2)::int as server_id, label::varchar as name, host(addr) as ip,
            case when retired then 'offline' when power = 1 then 'on' else 'off' end as state
        from host;
    create view preflight_account as
        select substr(asset, 2)::numeric as server_id, name::varchar as account, true as enabled,
            substr(vault, 2)::int as credential_id from login;
    create view preflight_credential as
        select 3::smallint as credential_id, 'vault'::char(5) as kind, true as usable;
    create view preflight_owner as
        select substr(usr, 2)::int as owner_id, full_name as name, left_on is null as enabled,
            array[]::int[] as group_ids from person;
    create view preflight_automation as
        select 'action' as job_type, 9 as target_id, 'Rotate' as name, true as enabled
        union all select 'action', 8, 'Drop', true union all select 'workflow', 4, 'Nightly', true;
    create view preflight_grant as
        select 'user' as principal_kind, substr(usr, 2)::int as principal_id,
            case flow when 'A' then 'action' else 'workflow' end as job_type, what as target_id
        from may;
    create view awp_automcation_job as
        select substr(no, 2)::bigint as id, st as trigger_status, msg as trigger_message,
            rec as last_execution_id, slot as last_scheduled_at, since as failing_since,
            fails as consecutive_failures
        from timer;
"""
EXPECTED = {
    101: None,
    102: None,
    103: "server_powered_off",
    104: "server_offline",
    105: "permission_denied",
    106: "job_not_found",
}


@pytest.fixture
def other_platform(postgres: PostgresServer) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex[:12]}"
    url = postgres.create(name, template="template0")
    execute(url, TABLES)
    execute(url, VIEWS)
    revisions.upgrade(url, stamp="0001")
    yield url
    postgres.drop(name)


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_platform_with_its_own_tables_is_served_through_views_alone(
    broker: Broker, topics: Topics, settings: Settings, other_platform: str, tmp_path: Path
) -> None:
    own = settings.model_copy(update={"database_url": type(settings.database_url)(other_platform)})
    with running(own, tmp_path / "worker.log") as worker:
        rig = Rig(broker, topics, other_platform, own, worker)
        rig.fire(*(trigger(job_id) for job_id in EXPECTED))
        found = {job_id: rig.record(job_id)["trigger_code"] for job_id in EXPECTED}
        rig.settle()
        jobs = rig.rows("select no, st, msg, fails from timer order by no")
        rig.close()

    assert found == EXPECTED
    assert [(job["no"], job["st"], job["fails"]) for job in jobs] == [
        ("T101", 1, 0),
        ("T102", 1, 0),
        ("T103", 2, 1),
        ("T104", 2, 1),
        ("T105", 2, 1),
    ]
    assert jobs[2]["msg"] == "Server 8 (10.0.0.8, db-08) is powered off."
