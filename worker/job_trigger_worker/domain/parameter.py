"""A job's parameter: which servers and accounts it names, and what is wrong with its shape.

Shapes (design 7), checked like an API's input:

- action: `{"servers": [{"server_id", "ip", "account"}, …], …}`
- workflow: `{"nodes": [{"node_id", "action_id", "servers": […]}, …], …}`

Ids are numbers or strings of digits, 1 to 2^63-1; an account is a text that is not blank; `ip` and
`action_id` may be absent or null. Keys that are not named here are nobody's business: a dispatch
carries the parameter as it was saved. A list that is absent, null or empty is `no_targets`,
everything else `parameter_invalid`. The same server with the same account twice in one list is
invalid (it would run twice); one server with two accounts, or in two nodes, is meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeGuard

import orjson

from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.inventory import JobType
from job_trigger_worker.domain.trigger import MAX_ID
from job_trigger_worker.domain.verdict import Target

MAX_CHARACTERS = 900 * 1024
"""Longest parameter that is looked into; its dispatch would be too large (design 3)."""

MAX_NAME = 1024
"""Longest account and node id, in characters."""

MOST_PROBLEMS = 100
"""How many problems of one parameter are told; the one after says that there are more."""

_SHOWN = 60
_HOLDS_MORE = re.compile(r"[=:{}\[\]]")
_INVALID = FailureCode.PARAMETER_INVALID
_NO_TARGETS = FailureCode.NO_TARGETS


class Problem(NamedTuple):
    """What is wrong at one place: `parameter_invalid` or `no_targets`, in values for a message.

    `objects` holds `reason` (a word that `messages` knows), `path` (such as
    `nodes[0].servers[2].account`) and, as far as they are known, `value`, `node_id`, `server_id`
    and `account`.
    """

    code: FailureCode
    objects: Mapping[str, str | int | None]


class Parameter(NamedTuple):
    """What could be read: the targets as saved (`credential_id` None) and every problem.

    Both can be there at once; targets around a problem are still judged.
    """

    targets: tuple[Target, ...] = ()
    problems: tuple[Problem, ...] = ()


def parse(job_type: str, text: str | None) -> Parameter:
    """Read a parameter as saved (JSON text, None for SQL null). Never raises, whatever it holds.

    A job type that is neither action nor workflow has no shape: the answer is empty.
    """
    if text is None:
        return _refused("absent") if job_type in _TYPES else Parameter()
    if len(text) <= _REMEMBERED_CHARACTERS:
        return _parse_again(job_type, text)
    return _parse(job_type, text)


def _parse(job_type: str, text: str) -> Parameter:
    if job_type not in _TYPES:
        return Parameter()
    if len(text) > MAX_CHARACTERS:
        return _refused("too_long", value=len(text))
    try:
        value = orjson.loads(text)
    except ValueError as error:
        if not text.strip():
            return _refused("absent")
        return _refused("not_json", position=getattr(error, "pos", 0) + 1)
    if type(value) is not dict:
        return _no_object(value)
    reader = _Reader(may_hold_nul="\\u0000" in text)
    if job_type == "action":
        reader.read_servers(value.get("servers"), "servers", None, None)
    else:
        reader.read_nodes(value.get("nodes"))
    if reader.problems:
        reader.problems.sort(key=lambda problem: problem.code is _NO_TARGETS)
    return Parameter(tuple(reader.targets), tuple(reader.problems))


def _no_object(value: Any) -> Parameter:
    if value is None:
        return _refused("absent")
    if type(value) is str:
        try:
            if type(orjson.loads(value)) is dict:
                return _refused("encoded_twice")
        except ValueError:
            pass  # a text of another kind
    return _refused("not_object", value=_show(value))


_TYPES = frozenset(map(str, JobType))

# The same jobs fire again and again with the same parameter: reading it is a tenth of parsing it.
# Bounded: some 8 MB where parameters name a few servers, and long ones are not kept.
_REMEMBERED_CHARACTERS = 1024
_parse_again = lru_cache(maxsize=8192)(_parse)


def _refused(problem: str, **objects: str | int) -> Parameter:
    return Parameter((), (Problem(_INVALID, {"reason": problem, **objects}),))


def _show(value: object) -> str:
    """A value as it stands in the JSON, short enough for a message; of a container its brackets.

    Nor is a text shown that may hold another parameter's keys and values: a message travels and is
    stored, and some of them are secret.
    """
    if isinstance(value, dict | list):
        return "{…}" if isinstance(value, dict) else "[…]"
    if isinstance(value, str) and _HOLDS_MORE.search(value):
        return '"…"'
    if isinstance(value, str) and len(value) > _SHOWN:
        value = value[: _SHOWN - 1] + "…"
    return orjson.dumps(value).decode()


def _as_id(value: object) -> int | None:
    """The id that a number or a string of digits means, None for anything else."""
    if (
        type(value) is str
        and value.isascii()
        and value.isdigit()
        and len(value) <= len(str(MAX_ID))
    ):
        value = int(value)
    return value if type(value) is int and 0 < value <= MAX_ID else None


class _Reader:
    """Goes through one parameter and collects; its life is one call of `parse`."""

    __slots__ = ("may_hold_nul", "problems", "targets")

    def __init__(self, *, may_hold_nul: bool) -> None:
        self.may_hold_nul = may_hold_nul
        self.targets: list[Target] = []
        self.problems: list[Problem] = []

    def read_nodes(self, nodes: Any) -> None:
        if nodes is None or nodes == []:
            self.add(_NO_TARGETS, "no_nodes", "nodes", None)
            return
        if type(nodes) is not list:
            self.add_invalid("not_list", "nodes", None, nodes)
            return
        seen: set[str] = set()
        for place, node in enumerate(nodes):
            path = f"nodes[{place}]"
            if type(node) is not dict:
                self.add_invalid("not_object", path, None, node)
                continue
            node_id = self.read_node_id(node, f"{path}.node_id", seen)
            action_id = None
            if (given := node.get("action_id")) is not None:
                action_id = _as_id(given)
                if action_id is None:
                    self.add_invalid("not_id", f"{path}.action_id", node_id, given)
            self.read_servers(node.get("servers"), f"{path}.servers", node_id, action_id)

    def read_node_id(self, node: dict[str, Any], path: str, seen: set[str]) -> str | None:
        given = node.get("node_id")
        node_id = str(given) if type(given) is int else given
        if not self.is_name(node_id, path, None):
            return None
        if node_id in seen:
            self.add(_INVALID, "node_twice", path, node_id)
        seen.add(node_id)
        return node_id

    def read_servers(
        self, servers: Any, path: str, node_id: str | None, action_id: int | None
    ) -> None:
        if servers is None or servers == []:
            self.add(_NO_TARGETS, "no_servers", path, node_id)
            return
        if type(servers) is not list:
            self.add_invalid("not_list", path, node_id, servers)
            return
        seen: set[tuple[int, Any]] = set()
        targets, make = self.targets, Target._make
        for place, entry in enumerate(servers):
            if type(entry) is not dict:
                self.add_invalid("not_object", f"{path}[{place}]", node_id, entry)
                continue
            server_id = entry.get("server_id")
            account = entry.get("account")
            ip = entry.get("ip")
            if type(server_id) is str:
                server_id = _as_id(server_id)
            if not (
                type(server_id) is int
                and 0 < server_id <= MAX_ID
                and type(account) is str
                and 0 < len(account) <= MAX_NAME
                and not account.isspace()
                and (ip is None or type(ip) is str)
                and not self.may_hold_nul
            ):
                server_id = self.examine(entry, f"{path}[{place}]", node_id)
                if server_id is None:
                    continue
            if (server_id, account) in seen:
                twice = {"server_id": str(server_id), "account": str(account)}
                self.add(_INVALID, "server_twice", f"{path}[{place}]", node_id, **twice)
                continue
            seen.add((server_id, account))
            targets.append(make((server_id, ip, account, None, node_id, action_id)))

    def examine(self, entry: dict[str, Any], path: str, node_id: str | None) -> int | None:
        """Tell every problem of a server that is not plainly right; its id if it has none."""
        server_id = _as_id(given := entry.get("server_id"))
        if given is None:
            self.add(_INVALID, "missing", f"{path}.server_id", node_id)
        elif server_id is None:
            self.add_invalid("not_id", f"{path}.server_id", node_id, given)
        is_good = self.is_name(entry.get("account"), f"{path}.account", node_id)
        ip = entry.get("ip")
        if ip is not None and (type(ip) is not str or "\0" in ip):
            self.add_invalid("not_text", f"{path}.ip", node_id, ip)
            is_good = False
        return server_id if is_good else None

    def is_name(self, value: Any, path: str, node_id: str | None) -> TypeGuard[str]:
        """Whether a value can be an account or a node id; says why not."""
        if value is None:
            self.add(_INVALID, "missing", path, node_id)
            return False
        if type(value) is not str or "\0" in value:
            problem = "not_text"
        elif not value or value.isspace():
            problem = "blank"
        elif len(value) > MAX_NAME:
            problem = "too_long_name"
        else:
            return True
        self.add_invalid(problem, path, node_id, value)
        return False

    def add_invalid(self, problem: str, path: str, node_id: str | None, value: Any) -> None:
        self.add(_INVALID, problem, path, node_id, value=_show(value))

    def add(
        self, code: FailureCode, problem: str, path: str, node_id: str | None, **objects: str
    ) -> None:
        if len(self.problems) == MOST_PROBLEMS:
            self.problems.append(Problem(_INVALID, {"reason": "more"}))
        if len(self.problems) > MOST_PROBLEMS:
            return
        named: dict[str, str | int | None] = {"reason": problem, "path": path}
        if node_id is not None:
            named["node_id"] = node_id
        self.problems.append(Problem(code, {**named, **objects}))
