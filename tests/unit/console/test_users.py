"""The users file: what is read of it, and what is refused by name."""

import json
import os
import stat
from pathlib import Path

import pytest

from job_trigger_worker.console.shared.auth import passwords, users
from job_trigger_worker.console.shared.auth.users import User, Users
from job_trigger_worker.domain.principals import Role, highest
from job_trigger_worker.errors import FatalError
from tests.support.command import Ended, trigger_worker

PASSWORD = "four words in a row"  # noqa: S105 - of nobody


def command(path: Path, *arguments: str, stdin: str = "") -> Ended:
    return trigger_worker("users", *arguments, "--file", str(path), stdin=stdin)


def test_a_password_is_kept_as_a_salted_hash() -> None:
    kept = passwords.hashed(PASSWORD)
    assert kept.startswith("scrypt:32768:8:1:")
    assert PASSWORD not in kept
    assert kept != passwords.hashed(PASSWORD)
    assert passwords.matches(PASSWORD, kept)
    assert not passwords.matches(PASSWORD + " ", kept)
    assert not passwords.matches("\ud800", kept)


@pytest.mark.parametrize("kept", ["", "scrypt:1:1", "sha256:ab", "scrypt:3:8:1:AA==:AA==", "a:b:c"])
def test_a_hash_that_is_none_matches_nothing(kept: str) -> None:
    assert not passwords.matches(PASSWORD, kept)


def test_nobodys_hash_matches_nothing() -> None:
    assert not passwords.matches("", passwords.NOBODY)


def test_users_are_added_changed_listed_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    added = command(path, "add", "li.wei", "--role", "operator", "--name", "Li Wei",
                    "--password-stdin", stdin=PASSWORD + "\n")  # fmt: skip
    assert (added.status, added.stdout) == (0, f"li.wei (operator) is added in {path}.\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PASSWORD not in path.read_text()
    found = Users(path)
    assert found.check("li.wei", PASSWORD) is not None
    assert found.check("li.wei", "another") is None
    changed = command(path, "add", "li.wei", "--role", "admin", "--password-stdin", "--json",
                      stdin=PASSWORD)  # fmt: skip
    assert changed.json == {
        "login": "li.wei", "role": "admin", "is_new": False, "file": str(path)
    }  # fmt: skip
    listed = command(path, "list", "--json").json
    assert listed == {"users": [{"login": "li.wei", "role": "admin", "name": "li.wei"}]}
    assert command(path, "remove", "li.wei").status == 0
    assert found.person("li.wei") is None
    gone = command(path, "remove", "li.wei")
    assert gone.status == 1
    assert "has no li.wei" in gone.stderr


def test_a_service_gets_a_token_once(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    token = command(path, "add", "common-job", "--role", "service", "--json").json["token"]
    assert token not in path.read_text()
    found = Users(path)
    service = found.service(token)
    assert service is not None
    assert (service[0], service[1].role) == ("common-job", Role.SERVICE)
    assert found.service(token[:-1]) is None
    assert found.service("") is None
    assert found.person("common-job") is None
    assert found.check("common-job", token) is None


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (("add", "li wei", "--role", "viewer"), "", "cannot be a login"),
        (("add", "li", "--role", "viewer", "--password-stdin"), "short\n", "12 to 1024"),
        (("add", "li", "--role", "king"), "", "king"),
        (("add", "li", "--role", "viewer"), PASSWORD, "with --password-stdin.\n"),
    ],
)
def test_what_cannot_be_is_said(
    tmp_path: Path, arguments: tuple[str, ...], stdin: str, words: str
) -> None:
    ended = command(tmp_path / "users.json", *arguments, stdin=stdin)
    assert ended.status == 2
    assert words in ended.stderr
    assert not list(tmp_path.iterdir())


def test_without_a_file_it_says_which_setting() -> None:
    ended = trigger_worker("users", "list")
    assert ended.status == 2
    assert "TRIGGER_WORKER_CONSOLE_USERS_FILE" in ended.stderr


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users.write(path, {"a": User(Role.VIEWER, "A", "x")})
    found = Users(path)
    assert list(found.all()) == ["a"]
    users.write(path, {"b": User(Role.VIEWER, "B", "x")})
    assert list(found.all()) == ["b"]


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": {"role": "king"}}', "\xff"])
def test_a_damaged_file_stops_it_and_shows_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "users.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(FatalError, match="is damaged"):
        Users(path)


def test_a_file_that_cannot_be_written_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "users.json"
    users.write(path, {"a": User(Role.VIEWER, "A", "x")})

    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        users.write(path, {})
    assert list(json.loads(path.read_text())) == ["a"]
    assert [each.name for each in tmp_path.iterdir()] == ["users.json"]


def test_roles_include_each_other_but_a_service_only_itself() -> None:
    people = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)
    including = [[one.includes(other) for other in people] for one in people]
    assert including == [[True, False, False], [True, True, False], [True, True, True]]
    assert Role.SERVICE.includes(Role.SERVICE)
    assert not any(Role.SERVICE.includes(other) or other.includes(Role.SERVICE) for other in people)


def test_the_highest_role_of_a_platform_counts() -> None:
    assert highest(["viewer", "admin", "operator"]) is Role.ADMIN
    assert highest(["king"]) is Role.VIEWER
    assert highest(["service"]) is Role.VIEWER
    assert highest([]) is Role.VIEWER
