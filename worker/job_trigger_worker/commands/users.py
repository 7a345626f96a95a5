"""`trigger-worker users`: the file of local users and services."""

from __future__ import annotations

import re
import secrets
import sys
from pathlib import Path

import click
from rich.console import Console

from job_trigger_worker.commands.output import as_json, finish
from job_trigger_worker.config import load
from job_trigger_worker.console.shared.auth import passwords
from job_trigger_worker.console.shared.auth.users import User, read, write
from job_trigger_worker.domain.principals import Role
from job_trigger_worker.errors import FatalError, UsageError

_LOGIN = re.compile(r"[^\s:/\x00-\x1f]{1,100}")

file_flag = click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The users file; default: TRIGGER_WORKER_CONSOLE_USERS_FILE.",
)


@click.group()
def command() -> None:
    """Local users of the console, and services with a token. A running console sees changes."""


@command.command("add")
@click.argument("login")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--name", help="Shown in the console; default: the login.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")
@file_flag
@as_json
def add(
    *,
    login: str,
    role: str,
    name: str | None,
    password_stdin: bool,
    file: Path | None,
    as_json: bool,
) -> None:
    """Add a user, or give one another role or password.

    Asks for the password twice. A password has 12 to 1024 characters. A service (--role service)
    gets a token instead, printed this once; it sends triggers with it and may do nothing else. A
    person sees the jobs of the groups that the platform gives this login (view console_member); an
    admin sees all.
    """
    if not _LOGIN.fullmatch(login):
        raise UsageError(f"{login!r} cannot be a login.", remedy="No blanks, colons or slashes.")
    path = _path(file)
    users = _users(path, may_be_absent=True)
    token = secrets.token_urlsafe(32) if role == Role.SERVICE else None
    secret = passwords.token_hash(token) if token else passwords.hashed(_password(password_stdin))
    is_new = login not in users
    _write(path, users | {login: User(Role(role), name or login, secret)})

    def show(out: Console) -> None:
        done = "is added" if is_new else "is changed"
        out.print(f"{login} ({role}) {done} in {path}.", soft_wrap=True, markup=False)
        if token:
            out.print(f"Its token, shown only now: {token}", soft_wrap=True, markup=False)

    result = {"login": login, "role": role, "is_new": is_new, "file": str(path)}
    finish(result | ({"token": token} if token else {}), as_json=as_json, show=show)


@command.command("remove")
@click.argument("login")
@file_flag
@as_json
def remove(*, login: str, file: Path | None, as_json: bool) -> None:
    """Remove a user or a service; whoever is signed in so is signed out."""
    path = _path(file)
    users = _users(path)
    if login not in users:
        raise FatalError(
            f"{path} has no {login}.", remedy="`trigger-worker users list` names them."
        )
    _write(path, {key: user for key, user in users.items() if key != login})
    finish(
        {"login": login, "file": str(path)},
        as_json=as_json,
        show=lambda out: out.print(f"{login} is removed.", soft_wrap=True, markup=False),
    )


@command.command("list")
@file_flag
@as_json
def list_command(*, file: Path | None, as_json: bool) -> None:
    """List users and services."""
    users = _users(_path(file), may_be_absent=True)

    def show(out: Console) -> None:
        for login, user in sorted(users.items()):
            out.print(f"{login}  {user.role.value}  {user.name}", soft_wrap=True, markup=False)
        if not users:
            out.print("No users yet.")

    listed = [
        {"login": login, "role": user.role.value, "name": user.name}
        for login, user in sorted(users.items())
    ]
    finish({"users": listed}, as_json=as_json, show=show)


def _path(given: Path | None) -> Path:
    path = given or load().console_users_file
    if path is None:
        raise UsageError(
            "Which users file?", remedy="Pass --file, or set TRIGGER_WORKER_CONSOLE_USERS_FILE."
        )
    return path


def _users(path: Path, *, may_be_absent: bool = False) -> dict[str, User]:
    try:
        return read(path)
    except FileNotFoundError:
        if may_be_absent:
            return {}
        raise FatalError(f"There is no file {path}.") from None
    except OSError as error:
        raise FatalError(f"{path} cannot be read: {error.strerror}.") from None


def _write(path: Path, users: dict[str, User]) -> None:
    try:
        write(path, users)
    except OSError as error:
        raise FatalError(f"{path} cannot be written: {error.strerror}.") from None


def _password(from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\n")
    elif not sys.stdin.isatty():
        raise UsageError(
            "There is no terminal to ask for a password at.",
            remedy="Send it to stdin, with --password-stdin.",
        )
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if not passwords.MIN_LENGTH <= len(password) <= passwords.MAX_LENGTH:
        raise UsageError(
            f"A password has {passwords.MIN_LENGTH} to {passwords.MAX_LENGTH} characters.",
            remedy="Four words are easy to keep in mind.",
        )
    return password
