"""A platform's inventory for tests: rows of section 5's tables, healthy unless told otherwise."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

HEALTHY: Any = object()
"""Stands for 'something that works', made once and shared by the jobs of a platform."""

Target = tuple[int, str]
"""A server's id and an account."""


class Platform:
    """Fills a database; every method inserts and returns the id. The caller commits.

    An `id` may be chosen; later ones go on behind it. `shared` is what an earlier one made.
    """

    def __init__(self, connection: Connection, shared: dict[str, int] | None = None) -> None:
        self.connection = connection
        self._shared = {} if shared is None else shared

    def server(
        self,
        name: str = "db-07",
        ip: str | None = "10.0.0.7",
        *,
        state: str = "on",
        id: int | None = None,  # noqa: A002 - the column's name
    ) -> int:
        return self._insert("awp_server", id, name=name, ip=ip, state=state)

    def credential(
        self,
        *,
        usable: bool = True,
        kind: str = "password",
        id: int | None = None,  # noqa: A002
    ) -> int:
        return self._insert("awp_credential", id, name="credential", kind=kind, usable=usable)

    def account(
        self,
        server_id: int,
        account: str = "deploy",
        *,
        enabled: bool = True,
        credential_id: int | None = HEALTHY,
    ) -> Target:
        self._write(
            "awp_server_account",
            server_id=server_id,
            account=account,
            enabled=enabled,
            credential_id=self._healthy("credential", credential_id),
        )
        return server_id, account

    def user(
        self,
        name: str = "wang.fang",
        *,
        enabled: bool = True,
        groups: Iterable[int] = (),
        id: int | None = None,  # noqa: A002
    ) -> int:
        user_id = self._insert("awp_user", id, login=name, name=name, enabled=enabled)
        for group_id in groups:
            self._write("awp_user_group_member", user_id=user_id, group_id=group_id)
        return user_id

    def group(self, name: str = "operators", *, id: int | None = None) -> int:  # noqa: A002
        return self._insert("awp_user_group", id, name=name)

    def action(
        self,
        name: str = "Rotate logs",
        *,
        enabled: bool = True,
        id: int | None = None,  # noqa: A002
    ) -> int:
        return self._insert("awp_action", id, name=name, enabled=enabled)

    def workflow(
        self,
        name: str = "Nightly",
        *,
        enabled: bool = True,
        id: int | None = None,  # noqa: A002
    ) -> int:
        return self._insert("awp_workflow", id, name=name, enabled=enabled)

    def grant(
        self, job_type: str, target_id: int, *, user: int | None = None, group: int | None = None
    ) -> None:
        """Let a user or a group use an action or a workflow."""
        for kind, principal_id in (("user", user), ("group", group)):
            if principal_id is not None:
                self._write(
                    "awp_automation_grant",
                    principal_kind=kind,
                    principal_id=principal_id,
                    job_type=job_type,
                    target_id=target_id,
                )

    def target(self, name: str = "db-07", ip: str | None = "10.0.0.7") -> Target:
        """A server with an account `deploy` that has a credential."""
        return self.account(self.server(name, ip))

    def action_job(self, targets: Sequence[Target] = HEALTHY, **columns: Any) -> int:
        """A job on an action; `columns` are those of `job`."""
        parameter = {"servers": servers(self._targets(targets))}
        return self.job("action", **{"parameter": parameter} | columns)

    def workflow_job(
        self, nodes: Mapping[str, Sequence[Target]] | None = None, **columns: Any
    ) -> int:
        """A job on a workflow; `nodes` are targets by node id, by default two nodes of one."""
        if nodes is None:
            nodes = {"1": self._targets(HEALTHY), "2": self._targets(HEALTHY)}
        parameter = {
            "nodes": [
                {"node_id": node_id, "action_id": 1, "servers": servers(targets)}
                for node_id, targets in nodes.items()
            ]
        }
        return self.job("workflow", **{"parameter": parameter} | columns)

    def job(
        self,
        job_type: str = "action",
        *,
        parameter: object = None,
        name: str = "log-backup",
        target_id: int | None = HEALTHY,
        owner_id: int | None = HEALTHY,
        enabled: bool = True,
        max_lateness_s: int | None = None,
        id: int | None = None,  # noqa: A002
    ) -> int:
        """A job of any type and parameter (a str is JSON as it stands, None is SQL null).

        The owner and the automation are shared, and granted to each other, unless given.
        """
        if target_id is HEALTHY:
            is_workflow = job_type == "workflow"
            target_id = self._healthy("workflow" if is_workflow else "action", HEALTHY)
        if owner_id is HEALTHY:
            owner_id = self._healthy("user", HEALTHY)
            pair = f"{job_type} {target_id}"
            if target_id is not None and pair not in self._shared:
                self._shared[pair] = owner_id or 0
                self.grant(job_type, target_id, user=owner_id)
        if parameter is not None and not isinstance(parameter, str):
            parameter = json.dumps(parameter, ensure_ascii=False)
        return self._insert(
            "awp_automcation_job",
            id,
            name=name,
            job_type=job_type,
            target_id=target_id,
            paramter=parameter,
            owner_id=owner_id,
            enabled=enabled,
            max_lateness_s=max_lateness_s,
        )

    def _targets(self, targets: Sequence[Target]) -> Sequence[Target]:
        if targets is not HEALTHY:
            return targets
        if "server" not in self._shared:
            self._shared["server"] = self.target()[0]
        return [(self._shared["server"], "deploy")]

    def _healthy(self, kind: str, given: int | None) -> int | None:
        if given is not HEALTHY:
            return given
        if kind not in self._shared:
            user = text("select id from awp_user where login = 'wang.fang'")
            there = self.connection.execute(user).scalar() if kind == "user" else None
            self._shared[kind] = there or getattr(self, kind)()
        return self._shared[kind]

    def _insert(self, table: str, chosen: int | None, **columns: object) -> int:
        if chosen is not None:
            columns["id"] = chosen
        row_id = self._write(table, **columns)
        if chosen is not None:
            behind = f"select setval(pg_get_serial_sequence('{table}', 'id'), max(id)) from {table}"
            self.connection.execute(text(behind))
        return row_id

    def _write(self, table: str, **columns: object) -> int:
        names = ", ".join(columns)
        values = ", ".join(f":{name}" for name in columns)
        # A grant may be there: the platform's own trigger makes some.
        ending = "on conflict do nothing" if table == "awp_automation_grant" else "returning *"
        statement = f"insert into {table} ({names}) values ({values}) {ending}"
        result = self.connection.execute(text(statement), columns)
        return int(getattr(result.one(), "id", 0)) if result.returns_rows else 0


def servers(targets: Iterable[Target]) -> list[dict[str, Any]]:
    """Targets as a parameter lists them, with the ip that was once saved."""
    return [
        {"server_id": server_id, "ip": "10.0.0.7", "account": account}
        for server_id, account in targets
    ]
