"""The platform that every measurement runs on: healthy, but for one server in a hundred."""

from tests.support.sql import execute

JOBS = 5000
PARAMETER = """jsonb_build_object('server_id', s.id::text, 'ip', s.ip, 'account', 'deploy')"""
FILL = f"""
insert into awp_server (name, ip, state)
select 'db-' || i, format('10.0.%s.%s', i / 250, i % 250 + 1),
    case when i % 97 = 0 then 'off' else 'on' end
from generate_series(1, 1000) i;
insert into awp_credential (name, kind)
select 'key-' || i, 'ssh_key' from generate_series(1, 1000) i;
insert into awp_server_account (server_id, account, credential_id)
select i, 'deploy', i from generate_series(1, 1000) i;
insert into awp_user (login, name) select 'user-' || i, 'User ' || i from generate_series(1, 100) i;
insert into awp_user_group (name) select 'team-' || i from generate_series(1, 20) i;
insert into awp_user_group_member (user_id, group_id)
select u.id, g.id from awp_user u join awp_user_group g
    on g.name in ('team-' || (u.id % 20 + 1), 'team-' || ((u.id + 7) % 20 + 1));
insert into awp_action (name) select 'Action ' || i from generate_series(1, 80) i;
insert into awp_workflow (name) select 'Workflow ' || i from generate_series(1, 40) i;
insert into awp_automcation_job (name, job_type, target_id, owner_id, paramter)
select 'nightly-backup-' || i, 'action', i % 80 + 1, i % 100 + 1,
    jsonb_build_object('script', 'backup.sh', 'arguments', '--full --keep 7', 'servers',
        (select jsonb_agg({PARAMETER}) from awp_server s
         where s.id in (i % 1000 + 1, case when i % 2 = 1 then (i * 7 + 500) % 1000 + 1 end)))
from generate_series(1, {{jobs}}) i;
update awp_automcation_job j set job_type = 'workflow', target_id = j.id % 40 + 1,
    paramter = jsonb_build_object('nodes', jsonb_build_array(jsonb_build_object(
        'node_id', 'n1', 'action_id', '1', 'servers', j.paramter -> 'servers')))
where j.id % 4 = 0;
insert into awp_automation_grant (principal_kind, principal_id, job_type, target_id)
select distinct 'user', owner_id, job_type, target_id
from awp_automcation_job where owner_id % 2 = 0
union
select distinct 'group', g.id, j.job_type, j.target_id
from awp_automcation_job j join awp_user_group g on g.name = 'team-' || (j.owner_id % 20 + 1)
where j.owner_id % 2 = 1
on conflict do nothing;
"""


def fill(url: str, jobs: int = JOBS) -> None:
    """Fill a migrated database with jobs, a quarter of them workflows, of one or two targets."""
    execute(url, FILL.format(jobs=jobs))
