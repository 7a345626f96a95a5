"""The preflight of *plain*: the same seven views and the same verdicts, with dicts and lists."""

from collections import defaultdict
from datetime import datetime
from typing import Any, NamedTuple

Row = dict[str, Any]

MAX_LATENESS_S = 3600
UNFIT = {"off": ("server_powered_off", "powered off"), "offline": ("server_offline", "offline")}


class Facts(NamedTuple):
    """What the inventory says about a batch's jobs."""

    jobs: dict[int, Row]
    targets: dict[int, list[Row]]
    servers: dict[int, Row]
    accounts: dict[tuple[int, str], Row]
    credentials: dict[int, Row]
    owners: dict[int, Row]
    automations: dict[tuple[str, int], Row]
    grants: set[tuple[str, int, str, int]]


def read_facts(cursor: Any, job_ids: list[int]) -> Facts:
    """One query a view."""
    jobs = {
        row["job_id"]: row
        for row in _rows(
            cursor,
            "select job_id, name, job_type, target_id, owner_id, enabled, paramter, "
            "max_lateness_s from preflight_job where job_id = any(%s)",
            job_ids,
        )
    }
    targets = {job_id: _targets(job) for job_id, job in jobs.items()}
    named = {
        (target["server_id"], target["account"]) for each in targets.values() for target in each
    }
    server_ids = list({server_id for server_id, _ in named})
    servers = _rows(
        cursor,
        "select server_id, name, ip, state from preflight_server where server_id = any(%s)",
        server_ids,
    )
    accounts = _rows(
        cursor,
        "select server_id, account, enabled, credential_id from preflight_account "
        "where server_id = any(%s)",
        server_ids,
    )
    credentials = _rows(
        cursor,
        "select credential_id, usable from preflight_credential where credential_id = any(%s)",
        list({row["credential_id"] for row in accounts if row["credential_id"]}),
    )
    owners = {
        row["owner_id"]: row
        for row in _rows(
            cursor,
            "select owner_id, name, enabled, group_ids from preflight_owner "
            "where owner_id = any(%s)",
            list({job["owner_id"] for job in jobs.values()}),
        )
    }
    for job in jobs.values():
        owner = owners.get(job["owner_id"])
        job["owner_name"] = owner and owner["name"]
    target_ids = list({job["target_id"] for job in jobs.values()})
    automations = _rows(
        cursor,
        "select job_type, target_id, name, enabled from preflight_automation "
        "where target_id = any(%s)",
        target_ids,
    )
    principals = {*owners} | {group for owner in owners.values() for group in owner["group_ids"]}
    cursor.execute(
        "select principal_kind, principal_id, job_type, target_id from preflight_grant "
        "where target_id = any(%s) and principal_id = any(%s)",
        (target_ids, list(principals)),
    )
    return Facts(
        jobs,
        targets,
        {row["server_id"]: row for row in servers},
        {(row["server_id"], row["account"]): row for row in accounts},
        {row["credential_id"]: row for row in credentials},
        owners,
        {(row["job_type"], row["target_id"]): row for row in automations},
        set(cursor.fetchall()),
    )


def verdict(trigger: Row, facts: Facts, now: datetime) -> tuple[Row | None, list[Row], list[Row]]:
    """The job, what is wrong, and the targets as resolved."""
    job = facts.jobs.get(trigger["job_id"])
    if job is None:
        return None, [_finding("job_not_found", f"Job {trigger['job_id']} does not exist.")], []
    found: list[Row] = []
    if not job["enabled"]:
        found.append(_finding("job_disabled", f"Job {job['job_id']} is switched off."))
    late_s = (now - trigger["scheduled_at"]).total_seconds()
    if trigger["kind"] == "schedule" and late_s > (job["max_lateness_s"] or MAX_LATENESS_S):
        found.append(_finding("expired", f"The trigger came {late_s:.0f} s late."))
    automation = facts.automations.get((job["job_type"], job["target_id"]))
    if automation is None or not automation["enabled"]:
        found.append(_finding("automation_not_found", f"{job['target_id']} does not exist."))
    targets = facts.targets[job["job_id"]]
    if not targets:
        found.append(_finding("no_targets", "The job names no server."))
    resolved = [_resolve(target, facts, found) for target in targets]
    owner = facts.owners.get(job["owner_id"])
    if owner is None:
        found.append(_finding("owner_not_found", f"User {job['owner_id']} does not exist."))
    elif not owner["enabled"]:
        found.append(_finding("owner_disabled", f"User {job['owner_id']} is disabled."))
    elif not _may(owner, job, facts):
        found.append(_finding("permission_denied", f"User {job['owner_id']} may not run it."))
    return job, found, resolved


def _resolve(target: Row, facts: Facts, found: list[Row]) -> Row:
    server_id, account_name = target["server_id"], target["account"]
    server = facts.servers.get(server_id)
    resolved = {**target, "server_id": str(server_id), "credential_id": None}
    if server is None:
        found.append(_finding("server_not_found", f"Server {server_id} does not exist."))
        return resolved
    resolved["ip"] = server["ip"]
    if server["state"] in UNFIT:
        code, words = UNFIT[server["state"]]
        message = f"Server {server_id} ({server['ip']}, {server['name']}) is {words}."
        found.append(_finding(code, message, server_id=str(server_id), ip=server["ip"]))
    account = facts.accounts.get((server_id, account_name))
    if account is None or not account["enabled"]:
        found.append(_finding("account_not_found", f"{account_name} is not on {server_id}."))
        return resolved
    credential = facts.credentials.get(account["credential_id"])
    if credential is None or not credential["usable"]:
        found.append(_finding("credential_not_found", f"{account_name} has no credential."))
    resolved["credential_id"] = str(account["credential_id"])
    return resolved


def _may(owner: Row, job: Row, facts: Facts) -> bool:
    what = job["job_type"], job["target_id"]
    return ("user", owner["owner_id"], *what) in facts.grants or any(
        ("group", group, *what) in facts.grants for group in owner["group_ids"]
    )


def _targets(job: Row) -> list[Row]:
    parameter = job["paramter"] or {}
    lists: defaultdict[Any, list[Row]] = defaultdict(list)
    if job["job_type"] == "workflow":
        for node in parameter.get("nodes") or []:
            extra = {"node_id": node["node_id"], "action_id": node.get("action_id")}
            lists[node["node_id"]] = [entry | extra for entry in node["servers"]]
    else:
        lists[None] = parameter.get("servers") or []
    return [
        {**entry, "server_id": int(entry["server_id"])} for each in lists.values() for entry in each
    ]


def _finding(code: str, message: str, **objects: object) -> Row:
    return {"code": code, "message": message, **objects}


def _rows(cursor: Any, query: str, ids: list[int]) -> list[Row]:
    cursor.execute(query, (ids,))
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
