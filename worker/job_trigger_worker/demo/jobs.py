"""The demo platform's 200 jobs: 134 that start, and 66 that cannot, each for one reason.

`server_not_found` 31, `server_offline` 5, `server_powered_off` 4, `account_not_found` 5,
`credential_not_found` 3, `owner_not_found` 2, `owner_disabled` 3, `permission_denied` 3,
`job_disabled` 3, `automation_not_found` 2, `parameter_invalid` 2, `no_targets` 2, `expired` 1.
The two codes that no saved job can have, `job_not_found` and `event_invalid`, are the scheduler's
(`demo_plan`). The list is the same in every run.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from job_trigger_worker.demo import inventory as inv
from job_trigger_worker.demo.inventory import (
    APP,
    DARK_SERVER,
    DATA,
    DBA,
    DEAD_SERVER,
    FINANCE,
    MIDDLEWARE,
    NOC,
    OFFLINE_SERVER,
    SECURITY,
    WEB,
)

LATE_JOB_NAME = "quarter-end-archive"
"""Fired hours late, and allowed 15 minutes (`expired`)."""

_TWO_BROKEN_NODES = 17
_CHINESE = 118
_SYSTEMS = ("shop", "pay", "crm", "erp", "wms", "hr", "bi", "oa", "sso", "mall")
_CITIES = ("北京", "上海", "广州", "深圳", "杭州", "成都")
_DATABASES = (
    *("orders", "payments", "stock", "users", "ledger", "prices", "coupons", "search", "mail"),
    *("audit", "tickets", "assets", "fleet", "media", "forum", "notes", "wiki", "sms", "push"),
)

CANARY_JOB_NAME = "disk-check-cache-01"
"""The job that a trigger of kind `canary` may run: it harms nobody."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as saved. `schedule` is cron with minutes that the demo runs through in seconds."""

    name: str
    job_type: str
    target_id: int
    owner_id: int
    schedule: str
    parameter: Any
    enabled: bool = True
    max_lateness_s: int | None = None


def jobs() -> dict[int, Job]:
    """The 200 jobs by id, those that start and those that cannot mixed as in life."""
    fixed = {_TWO_BROKEN_NODES: _log_backup(), _CHINESE: _reconciliation()}
    rest = [*_healthy(), *_broken()]
    random.Random(2026).shuffle(rest)  # noqa: S311 - an order, no secret
    count = len(rest) + len(fixed)
    places = (number for number in range(1, count + 1) if number not in fixed)
    return dict(sorted({**fixed, **dict(zip(places, rest, strict=True))}.items()))


def _healthy() -> Iterator[Job]:
    """134 jobs; most run every five minutes, the rest every ten or fifteen."""
    for turn, (name, job_type, target_id, group, parameter) in enumerate(_healthy_work()):
        every = (5, 10, 5, 15, 5, 10, 5, 10, 15)[turn % 9]
        yield Job(
            name,
            job_type,
            target_id,
            inv.owner_of(group, turn),
            f"{turn % every}-59/{every} * * * *",
            parameter,
        )


def _healthy_work() -> Iterator[tuple[str, str, int, int, Any]]:
    """(name, type, action or workflow, group of the owner, parameter)."""
    dbs = [number for number in range(1, 9) if number != DEAD_SERVER]
    webs, apps, caches, es = range(11, 22), range(31, 39), range(51, 55), (71, 72, 74)
    of_server = (
        ("backup", 1, DBA, "postgres", dbs),
        ("vacuum", 8, DBA, "postgres", dbs),
        ("replication", 11, DBA, "postgres", dbs),
        ("rotate-logs", 2, WEB, "deploy", webs),
        ("restart-nginx", 3, WEB, "nginx", webs),
        ("scan-ports", 14, SECURITY, "deploy", webs[:6]),
        ("purge-tmp", 12, APP, "app", apps),
        ("restart-app", 3, APP, "app", apps),
        ("patch", 9, SECURITY, "deploy", apps),
        ("disk-check", 6, MIDDLEWARE, "redis", caches),
        ("warm-cache", 13, MIDDLEWARE, "redis", caches),
        ("clear-cache", 4, MIDDLEWARE, "redis", caches),
        ("sync-files", 7, DATA, "elastic", es),
    )
    for stem, action_id, group, account, servers in of_server:
        for server_id in servers:
            name = f"{stem}-{inv.server_name(server_id)}"
            yield name, "action", action_id, group, _servers((server_id, account))
    for place, name in enumerate(("sales", "margin", "returns", "visits")):
        yield f"report-{name}", "action", 10, DATA, _servers((81 + place % 2, "report"))
    for place, system in enumerate(_SYSTEMS):
        web, app, db = webs[1 + place], apps[place % 8], dbs[place % 7]
        balancer = [(webs[0], "nginx")]
        for name, workflow_id, group, nodes in (
            ("deploy", 2, APP, [[(app, "deploy")], [(web, "deploy")], balancer]),
            ("rolling-restart", 3, WEB, [[(web, "nginx")], [(app, "app")], balancer]),
            ("nightly", 1, DBA, [[(db, "postgres")], [(91, "backup")]]),
        ):
            yield f"{name}-{system}", "workflow", workflow_id, group, _nodes(*nodes)
    for place, system in enumerate(_SYSTEMS[:6]):
        nodes = [[(apps[place], "app")], [(71 + place % 2, "elastic")]]
        yield f"ship-logs-{system}", "workflow", 8, DATA, _nodes(*nodes)
    for city in _CITIES:
        nodes = [[(81, "财务")], [(82, "财务"), (82, "report")]]
        yield f"日终结算-{city}", "workflow", 4, FINANCE, _nodes(*nodes)


def _broken() -> Iterator[Job]:
    """64 jobs that cannot start; two more have ids of their own."""
    yield from _on_dead_server()
    for place, system in enumerate(_SYSTEMS[:5]):
        yield _action(f"purge-{system}", 12, APP, place, (OFFLINE_SERVER, "app"))
    for place, index in enumerate(("orders", "products", "logs", "customers")):
        yield _action(f"reindex-{index}", 7, DATA, place, (DARK_SERVER, "elastic"))
    for place, name in enumerate(("rotate-logs", "purge-tmp", "disk-check", "renew-cert")):
        yield _action(f"{name}-web-12", (2, 12, 6, 5)[place], WEB, place, (22, "deploy"))
    for place, name in enumerate(("restart-queue", "drain-queue", "check-queue")):
        yield _action(f"{name}-mq", 3, MIDDLEWARE, place, (61 + place, "rabbit"))
    for place, name in enumerate(("legacy-backup", "legacy-vacuum")):
        yield _action(name, (1, 8)[place], inv.LEFT_OWNER, None, (1, "postgres"))
    for place, name in enumerate(("rotate-cdn-logs", "restart-static", "renew-wildcard")):
        yield _action(name, (2, 3, 5)[place], inv.DISABLED_OWNER, None, (12 + place, "nginx"))
    for place, name in enumerate(("noc-rotate-logs", "noc-restart", "noc-patch")):
        yield _action(name, (2, 3, 9)[place], inv.UNGRANTED_OWNER, None, (32 + place, "deploy"))
    for place, name in enumerate(("summer-sale-warmup", "old-crm-export", "pilot-scan")):
        of = ((13, MIDDLEWARE, 51, "redis"), (10, DATA, 81, "report"), (6, NOC, 11, "deploy"))
        action_id, group, server_id, account = of[place]
        yield _action(name, action_id, group, place, (server_id, account), enabled=False)
    yield _action("defrag-es", inv.DISABLED_ACTION, DATA, 0, (71, "elastic"))
    yield _workflow("blue-green-switch", inv.MISSING_WORKFLOW, APP, 1, [[(31, "app")]])
    yield _saved("import-partners", 7, DATA, {"servers": "all"})
    yield _saved(
        "import-suppliers", 7, DATA, {"servers": [{"server_id": "es-01", "ip": "10.0.5.1"}]}
    )
    yield _saved("cleanup-sandbox", 12, APP, {"servers": []})
    yield _saved("cleanup-staging", 12, APP, {"script": "clean.sh"})
    late = _action(LATE_JOB_NAME, 10, DATA, 3, (81, "report"), max_lateness_s=900)
    yield late


def _on_dead_server() -> Iterator[Job]:
    """30 of the 31 jobs that db-07 breaks: 19 on an action, 11 on a workflow."""
    for place, database in enumerate(_DATABASES):
        schedule = f"{place % 20}-59/20 * * * *"
        target = (DEAD_SERVER, "postgres")
        action_id = (1, 8, 11)[place % 3]
        yield _action(f"backup-{database}", action_id, DBA, place, target, schedule=schedule)
    names = [f"drill-{system}" for system in _SYSTEMS] + ["month-end-snapshot"]
    for place, name in enumerate(names):
        nodes = [[(1 + place % 6, "postgres")], [(DEAD_SERVER, "postgres")]]
        schedule = f"{(place + 7) % 20}-59/20 * * * *"
        yield _workflow(name, 5, DBA, place, nodes, schedule=schedule)


def _log_backup() -> Job:
    """A workflow with two broken nodes: one names db-07, one an account that is not there."""
    nodes = [[(2, "postgres")], [(DEAD_SERVER, "postgres")], [(91, "archive")]]
    return _workflow("log-backup", 1, DBA, 0, nodes, schedule="3-59/20 * * * *")


def _reconciliation() -> Job:
    """A job with a Chinese name and a Chinese account, which db-03 does not have."""
    return _action("每日对账", 15, FINANCE, 0, (3, "财务"), schedule="9-59/20 * * * *")


def _hourly(name: str) -> str:
    """Once an hour, at a minute that only depends on the name."""
    return f"{sum(name.encode()) % 60} * * * *"


def _action(
    name: str,
    action_id: int,
    owner: int,
    turn: int | None,
    target: tuple[int, str],
    *,
    schedule: str | None = None,
    enabled: bool = True,
    max_lateness_s: int | None = None,
) -> Job:
    """`owner` is a group whose members take turns, or with no turn a user."""
    return Job(
        name,
        "action",
        action_id,
        owner if turn is None else inv.owner_of(owner, turn),
        schedule or _hourly(name),
        _servers(target),
        enabled,
        max_lateness_s,
    )


def _workflow(
    name: str,
    workflow_id: int,
    group: int,
    turn: int,
    nodes: list[list[tuple[int, str]]],
    *,
    schedule: str | None = None,
) -> Job:
    owner_id = inv.owner_of(group, turn)
    return Job(name, "workflow", workflow_id, owner_id, schedule or _hourly(name), _nodes(*nodes))


def _saved(name: str, action_id: int, group: int, parameter: Any) -> Job:
    return Job(name, "action", action_id, inv.owner_of(group, 0), _hourly(name), parameter)


def _servers(*targets: tuple[int, str]) -> dict[str, Any]:
    listed = [
        {"server_id": server_id, "ip": inv.server_ip(server_id), "account": account}
        for server_id, account in targets
    ]
    return {"servers": listed, "timeout_s": 600}


def _nodes(*nodes: list[tuple[int, str]]) -> dict[str, Any]:
    """A workflow's nodes, numbered from 1, each running an action of its own."""
    return {
        "nodes": [
            {"node_id": str(number), "action_id": number, "servers": _servers(*targets)["servers"]}
            for number, targets in enumerate(nodes, 1)
        ]
    }
