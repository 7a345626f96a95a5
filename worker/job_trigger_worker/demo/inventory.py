"""Who and what the demo platform has: people, servers, accounts, automations. Fixed, and invented.

Rows by table, as `demo_platform` inserts them. What is broken is broken on purpose; each line that
is says which failure code it is for.
"""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

DEAD_SERVER = 7
"""db-07 (10.0.0.7): gone from the inventory, still named by 31 jobs (`server_not_found`)."""

OFFLINE_SERVER = 39
"""app-09: taken out of service (`server_offline`)."""

DARK_SERVER = 73
"""es-03: powered off (`server_powered_off`)."""

LEFT_OWNER = 77
"""A user who left and was deleted (`owner_not_found`)."""

DISABLED_OWNER = 14
"""sun.li, whose login was disabled (`owner_disabled`)."""

UNGRANTED_OWNER = 13
"""wang.fang of the NOC, who may only look at disks (`permission_denied`)."""

ADMIN_LOGIN = "demo-admin"

# (tier, first id, address, how many, accounts that each server of the tier has)
_TIERS = (
    ("db", 1, "10.0.0", 8, ("postgres", "backup")),
    ("web", 11, "10.0.1", 12, ("deploy", "nginx")),
    ("app", 31, "10.0.2", 12, ("app", "deploy")),
    ("cache", 51, "10.0.3", 4, ("redis",)),
    ("mq", 61, "10.0.4", 3, ("rabbit",)),
    ("es", 71, "10.0.5", 4, ("elastic",)),
    ("rpt", 81, "10.0.6", 2, ("report", "财务")),
    ("bak", 91, "10.0.7", 1, ("backup",)),
)
_STATES = {OFFLINE_SERVER: "offline", DARK_SERVER: "off"}
_KEYS = {"deploy", "app", "backup"}

GROUPS = {
    11: "DBA",
    12: "Web operations",
    13: "Application operations",
    14: "Middleware",
    15: "Data platform",
    16: "财务系统",
    17: "Security",
    18: "NOC",
}
DBA, WEB, APP, MIDDLEWARE, DATA, FINANCE, SECURITY, NOC = GROUPS

# By id: login, name, groups, role
_USERS = {
    1: (ADMIN_LOGIN, "Demo Admin", (), "admin"),
    2: ("li.wei", "Li Wei", (DBA,), "operator"),
    3: ("zhang.min", "Zhang Min", (DBA,), "operator"),
    4: ("zhao.min", "Zhao Min", (WEB,), "operator"),
    5: ("wang.lei", "Wang Lei", (WEB,), "operator"),
    6: ("chen.jie", "Chen Jie", (APP,), "operator"),
    7: ("liu.yang", "Liu Yang", (APP,), "operator"),
    8: ("huang.xin", "Huang Xin", (MIDDLEWARE,), "operator"),
    9: ("wu.hao", "Wu Hao", (DATA,), "operator"),
    10: ("zhou.ting", "Zhou Ting", (DATA,), "operator"),
    11: ("xu.jing", "徐静", (FINANCE,), "operator"),
    12: ("lin.feng", "Lin Feng", (SECURITY,), "operator"),
    UNGRANTED_OWNER: ("wang.fang", "Wang Fang", (NOC,), "operator"),
    DISABLED_OWNER: ("sun.li", "Sun Li", (WEB,), "operator"),
    15: ("he.ping", "He Ping", (APP,), "operator"),
    16: ("gao.yuan", "Gao Yuan", (DBA,), "operator"),
    17: ("ma.chao", "Ma Chao", (MIDDLEWARE,), "operator"),
    18: ("guo.qiang", "郭强", (FINANCE,), "operator"),
    19: ("deng.rui", "Deng Rui", (NOC,), "viewer"),
    20: ("james.carter", "James Carter", (DBA, DATA), "operator"),
    21: ("ops-bot", "Operations bot", (DBA, WEB, APP, MIDDLEWARE, DATA), "viewer"),
}

# By id: name, and the groups that may use it
_ACTIONS = {
    1: ("Back up database", (DBA,)),
    2: ("Rotate logs", (WEB, APP)),
    3: ("Restart service", (WEB, APP, MIDDLEWARE)),
    4: ("Clear cache", (MIDDLEWARE,)),
    5: ("Renew certificate", (WEB, SECURITY)),
    6: ("Check disk space", (DBA, WEB, APP, MIDDLEWARE, DATA, NOC)),
    7: ("Sync files", (DATA,)),
    8: ("Vacuum tables", (DBA,)),
    9: ("Patch packages", (SECURITY,)),
    10: ("Export report", (DATA, FINANCE)),
    11: ("Check replication", (DBA,)),
    12: ("Purge temporary files", (APP, WEB)),
    13: ("Warm up cache", (MIDDLEWARE,)),
    14: ("Scan ports", (SECURITY,)),
    15: ("对账", (FINANCE,)),
    16: ("Defragment disks", (DATA,)),
}
DISABLED_ACTION = 16
MISSING_WORKFLOW = 40
"""A workflow that was deleted (with the disabled action: `automation_not_found`)."""

_WORKFLOWS = {
    1: ("Nightly backup", (DBA,)),
    2: ("Deploy release", (APP,)),
    3: ("Rolling restart", (WEB, APP)),
    4: ("日终结算", (FINANCE,)),
    5: ("Disaster drill", (DBA,)),
    6: ("Month-end report", (DATA, FINANCE)),
    7: ("Certificate rollover", (SECURITY,)),
    8: ("Ship logs", (DATA,)),
}

_NO_ACCOUNT = (22, "deploy")
"""web-12 was set up without it (`account_not_found`)."""

# (server, account): what is wrong with its credential (`credential_not_found`)
_CREDENTIALS_APART: dict[tuple[int, str], int | None] = {
    (61, "rabbit"): None,  # mq-01: none was given
    (62, "rabbit"): 190,  # mq-02: an expired key
    (63, "rabbit"): 191,  # mq-03: deleted from the vault
}
_EXPIRED_KEY = 190


def server_name(server_id: int) -> str:
    """What a server is or was called."""
    tier, first = next((t, f) for t, f, _, count, _ in _TIERS if f <= server_id < f + count)
    return f"{tier}-{server_id - first + 1:02}"


def server_ip(server_id: int) -> str:
    """The address that a server has or had."""
    net, first = next((n, f) for _, f, n, count, _ in _TIERS if f <= server_id < f + count)
    return f"{net}.{server_id - first + 1}"


def owner_of(group: int, turn: int) -> int:
    """One of a group's members, in turn; never one who is broken on purpose."""
    members = [
        user_id
        for user_id, (_, _, groups, _) in _USERS.items()
        if group in groups and user_id not in (DISABLED_OWNER, UNGRANTED_OWNER)
    ]
    return members[turn % len(members)]


def rows() -> dict[str, list[Row]]:
    """Every row but the jobs', by table, in an order that suits the tables' triggers."""
    credentials, accounts = _credentials_and_accounts()
    return {
        "awp_user_group": [{"id": key, "name": name} for key, name in GROUPS.items()],
        "awp_user": [
            {
                "id": key,
                "login": login,
                "name": name,
                "role": role,
                "enabled": key != DISABLED_OWNER,
            }
            for key, (login, name, _, role) in _USERS.items()
        ],
        "awp_user_group_member": [
            {"user_id": key, "group_id": group}
            for key, (_, _, groups, _) in _USERS.items()
            for group in groups
        ],
        "awp_action": [
            {"id": key, "name": name, "enabled": key != DISABLED_ACTION}
            for key, (name, _) in _ACTIONS.items()
        ],
        "awp_workflow": [
            {"id": key, "name": name, "enabled": True} for key, (name, _) in _WORKFLOWS.items()
        ],
        "awp_automation_grant": [
            {
                "principal_kind": "group",
                "principal_id": group,
                "job_type": job_type,
                "target_id": key,
            }
            for job_type, automations in (("action", _ACTIONS), ("workflow", _WORKFLOWS))
            for key, (_, groups) in automations.items()
            for group in groups
        ],
        "awp_server": [
            {
                "id": server_id,
                "name": server_name(server_id),
                "ip": server_ip(server_id),
                "state": _STATES.get(server_id, "on"),
            }
            for server_id, _ in _servers()
        ],
        "awp_credential": credentials,
        "awp_server_account": accounts,
    }


def _servers() -> list[tuple[int, tuple[str, ...]]]:
    return [
        (server_id, accounts)
        for _, first, _, count, accounts in _TIERS
        for server_id in range(first, first + count)
        if server_id != DEAD_SERVER
    ]


def _credentials_and_accounts() -> tuple[list[Row], list[Row]]:
    """A credential for each account of a tier, shared by its servers."""
    names = [(tier, account) for tier, _, _, _, accounts in _TIERS for account in accounts]
    ids = {name: 101 + place for place, name in enumerate(names)}
    credentials: list[Row] = [
        {
            "id": key,
            "name": f"{tier}-{account}",
            "kind": "ssh_key" if account in _KEYS else "password",
            "usable": True,
        }
        for (tier, account), key in ids.items()
    ]
    credentials.append(
        {"id": _EXPIRED_KEY, "name": "mq-rabbit-2024", "kind": "password", "usable": False}
    )
    accounts: list[Row] = []
    for server_id, names_there in _servers():
        tier = server_name(server_id).rpartition("-")[0]
        for account in names_there:
            if (server_id, account) == _NO_ACCOUNT:
                continue
            credential_id = _CREDENTIALS_APART.get((server_id, account), ids[tier, account])
            accounts.append(
                {
                    "server_id": server_id,
                    "account": account,
                    "enabled": True,
                    "credential_id": credential_id,
                }
            )
    return credentials, accounts
