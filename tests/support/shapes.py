"""Platforms whose jobs cost much: long scripts, workflows of many nodes, and many failures of one.

Each shape is a number of jobs that share 200 servers, made by one statement, and the order in which
their triggers come.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.support.sql import execute

SERVERS = 200
_GROUND = f"""
insert into awp_server (id, name, ip, state) overriding system value
select i, 'db-' || i, format('10.0.%s.%s', i / 250, i % 250 + 1), 'on'
from generate_series(1, {SERVERS}) i;
insert into awp_credential (name, kind) values ('key', 'ssh_key');
insert into awp_server_account (server_id, account, credential_id)
select s.id, 'deploy', c.id from awp_server s, awp_credential c;
insert into awp_user (login, name) values ('wang.fang', 'Wang Fang');
insert into awp_action (name) values ('Rotate logs');
insert into awp_workflow (name) values ('Nightly');
insert into awp_automation_grant (principal_kind, principal_id, job_type, target_id)
select 'user', u.id, t.job_type, t.id from awp_user u,
    (select 'action' as job_type, id from awp_action
     union all select 'workflow', id from awp_workflow) t
on conflict do nothing;
"""
_JOBS = """
insert into awp_automcation_job (id, name, job_type, target_id, owner_id, paramter)
overriding system value
select i, 'job ' || i, '{job_type}',
    case '{job_type}' when 'action' then (select min(id) from awp_action)
        else (select min(id) from awp_workflow) end,
    (select min(id) from awp_user), {parameter}
from generate_series({first}, {last}) i
on conflict (id) do nothing;
"""
_SERVER = "jsonb_build_object('server_id', {id}, 'ip', '10.0.0.7', 'account', 'deploy')"
_ON = _SERVER.format(id=f"(i + n) % {SERVERS} + 1")
_GONE = _SERVER.format(id="1000000 + n")
_SCRIPT = f"""
    (select jsonb_build_object('script', string_agg(md5(i || '-' || n), ''),
        'servers', jsonb_build_array({_SERVER.format(id=f"i % {SERVERS} + 1")}))
     from generate_series(1, {{size}} / 32) n)
"""
_NODES = """
    (select jsonb_build_object('nodes', jsonb_agg(jsonb_build_object(
        'node_id', 'node-' || n, 'action_id', 1, 'servers', jsonb_build_array({server}))))
     from generate_series(1, {size}) n)
"""
_SMALL = f"jsonb_build_object('servers', jsonb_build_array({_SERVER.format(id='1 + i % 200')}))"


@dataclass(frozen=True, slots=True)
class Shape:
    """So many jobs, of which each `every`-th is heavy and the others name one server.

    A heavy one has `size` bytes of script or so many nodes, all on servers that are there or all on
    servers that are gone. Job ids are 1 to `jobs`. `triggers` are how many a benchmark sends, each
    with `body_bytes` that nobody reads.
    """

    name: str
    jobs: int
    kind: str
    size: int = 0
    every: int = 1
    triggers: int = 1000
    body_bytes: int = 0

    def fill(self, url: str) -> None:
        """Make the servers and jobs in a migrated, empty database."""
        execute(url, _GROUND)
        if self.kind == "small":
            job_type, parameter = "action", _SMALL
        elif self.kind == "script":
            job_type, parameter = "action", _SCRIPT.format(size=self.size)
        else:
            server = {"passing": _ON, "failing": _GONE}[self.kind]
            job_type, parameter = "workflow", _NODES.format(size=self.size, server=server)
        light = _JOBS.format(job_type="action", parameter=_SMALL, first=1, last=self.jobs)
        heavy = _JOBS.format(job_type=job_type, parameter=parameter, first=1, last=self.jobs)
        heavy = heavy.replace("on conflict", f"where i % {self.every} = 0 on conflict")
        execute(url, heavy)
        execute(url, light)

    def bodies(self, count: int, *, first: datetime | None = None) -> Iterator[bytes]:
        """Triggers: the jobs one after another, again and again with the next second's slot."""
        slot = first or datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
        for place in range(count):
            at = slot + timedelta(seconds=place // self.jobs)
            body = {"job_id": place % self.jobs + 1, "scheduled_at": at.isoformat()}
            if self.body_bytes:
                body["note"] = secrets.token_hex(self.body_bytes // 2)
            yield json.dumps(body).encode()

    def keyed(self) -> Iterator[tuple[bytes, bytes]]:
        """The triggers of a benchmark: key and body."""
        for place, body in enumerate(self.bodies(self.triggers)):
            yield str(place % self.jobs + 1).encode(), body


SHAPES = (
    Shape("scripts of 166 kB", 300, "script", 166_000, triggers=600),
    Shape("passing workflows of 1,000 nodes", 300, "passing", 1000, triggers=900),
    Shape("one in ten a failing workflow of 7,000 nodes", 300, "failing", 7000, 10, 600),
    Shape("messages of 200 kB", 300, "small", triggers=2000, body_bytes=200_000),
)
"""What `make bench` drains."""
