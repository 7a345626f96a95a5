"""The compatibility check on real git repositories."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from job_trigger_schemas.compatibility import main

TRIGGER = "awp.job.trigger.v1.schema.json"
FAILURE = "awp.job.trigger-failure.v1.schema.json"
TEXT = {"type": "string"}
NUMBER = {"type": "integer"}


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=T", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def put(folder: Path, name: str, *required: str, **properties: Any) -> None:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    (folder / name).write_text(json.dumps(schema), encoding="utf-8")


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "-q", "--allow-empty", "-m", "change")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)  # a hook's own repository is not meant
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("LC_ALL", "C")
    git(tmp_path, "init", "-q")
    made = tmp_path / "schemas" / "json"
    made.mkdir(parents=True)
    put(made, FAILURE, "code", code=TEXT)
    put(made, TRIGGER, "job_id", job_id=TEXT)
    return made


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_without_any_earlier_version_it_passes_and_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = ["there is no earlier version of the schemas to compare with"]
    assert main([], folder=folder) == 0
    assert said(capsys) == expected
    commit(folder)
    assert main([], folder=folder) == 0
    assert said(capsys) == expected


def test_a_breaking_change_in_the_working_tree_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(folder)
    put(folder, FAILURE, code=NUMBER)
    put(folder, TRIGGER, "job_id", "slot", job_id=TEXT, slot=TEXT)
    assert main([], folder=folder) == 1
    unexpected = "now, which readers of the last version do not expect"
    assert said(capsys) == [
        f"awp.job.trigger-failure.v1: $.code may be integer {unexpected}",
        f"awp.job.trigger-failure.v1: $.code may be absent {unexpected}",
        "awp.job.trigger.v1: $.slot may be absent by the last version, which is refused now",
        "breaking changes against HEAD: 3 (undo them, or add a new event type beside the old one)",
    ]


def test_a_clean_checkout_judges_the_last_commit(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(folder)
    put(folder, FAILURE, code=TEXT)
    commit(folder)
    assert main([], folder=folder) == 1
    assert said(capsys)[-1].startswith("breaking changes against HEAD~1: 1 ")


def test_a_compatible_change_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit(folder)
    put(folder, FAILURE, "code", "hint", code=TEXT, hint=TEXT)
    put(folder, TRIGGER, "job_id", job_id=TEXT, note=TEXT)
    assert main([], folder=folder) == 0
    commit(folder)
    assert main([], folder=folder) == 0
    assert said(capsys) == ["no breaking change against HEAD", "no breaking change against HEAD~1"]


def test_an_event_that_is_gone_breaks_everybody(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(folder)
    (folder / TRIGGER).unlink()
    assert main([], folder=folder) == 1
    assert said(capsys)[0] == "awp.job.trigger.v1: the event is gone"


def test_any_revision_can_be_compared_with(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(folder)
    put(folder, FAILURE, code=TEXT)
    commit(folder)
    commit(folder)
    assert main([], folder=folder) == 0
    assert main(["--against", "HEAD~2"], folder=folder) == 1
    capsys.readouterr()
    assert main(["--against", "v9"], folder=folder) == 1
    assert said(capsys) == ["there is no revision 'v9': fetch it, or name another"]


def test_a_shallow_clone_does_not_pass_in_silence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(folder)
    commit(folder)
    git(tmp_path, "clone", "-q", "--depth", "1", tmp_path.as_uri(), str(tmp_path / "shallow"))
    assert main([], folder=tmp_path / "shallow" / "schemas" / "json") == 1
    assert main(["--if-known"], folder=tmp_path / "shallow" / "schemas" / "json") == 0
    assert said(capsys)[0].endswith("git fetch --deepen=1")


def test_outside_of_a_repository_it_does_not_pass(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".git").rename(tmp_path / "elsewhere")
    assert main([], folder=folder) == 1
    assert "not a git repository" in said(capsys)[0]


def test_without_git_it_does_not_pass(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    assert main([], folder=folder) == 1
    assert said(capsys)[0].startswith("git cannot be run")
