"""The folder of a run: its own, marked, and for one run at a time."""

from pathlib import Path

import pytest

from job_trigger_worker.demo.data_folder import DataFolder, default_folder
from job_trigger_worker.errors import FatalError, UsageError


def test_it_is_made_with_a_marker_that_says_what_it_is(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "deep" / "data")
    assert "trigger-worker run" in (folder.path / "made-by-trigger-worker-run").read_text()
    folder.release()


def test_fresh_deletes_what_a_run_left_and_keeps_the_marker(tmp_path: Path) -> None:
    first = DataFolder(tmp_path / "data")
    (first.postgres / "pgdata").mkdir(parents=True)
    first.log("worker").write_text("old")
    first.release()
    second = DataFolder(tmp_path / "data", is_fresh=True)
    assert sorted(entry.name for entry in second.path.iterdir()) == [
        "made-by-trigger-worker-run",
        "run.lock",
    ]
    second.release()


def test_fresh_never_follows_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("dear")
    DataFolder(tmp_path / "data").release()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "mine")
    DataFolder(tmp_path / "data", is_fresh=True).release()
    assert (tmp_path / "mine" / "letter").read_text() == "dear"


def test_a_run_puts_the_logs_of_the_one_before_aside(tmp_path: Path) -> None:
    first = DataFolder(tmp_path)
    first.log("worker").write_text("before")
    first.release()
    second = DataFolder(tmp_path)
    assert not second.log("worker").exists()
    assert (tmp_path / "worker.log.1").read_text() == "before"
    second.release()


def test_settings_that_a_killed_run_left_are_gone_before_the_next_has_its_own(
    tmp_path: Path,
) -> None:
    first = DataFolder(tmp_path)
    first.env.write_text("export TRIGGER_WORKER_KAFKA_BROKERS=127.0.0.1:1")
    first.release()
    second = DataFolder(tmp_path)
    assert not second.env.exists()
    second.release()


@pytest.mark.parametrize(
    ("data", "command"),
    [
        ("/srv/demo", ". /srv/demo/env"),
        ("/srv/my demo", ". '/srv/my demo/env'"),
        ("/home/li/demo", ". ~/demo/env"),
        ("/home/li/it's", """. ~/'it'"'"'s/env'"""),
    ],
)
def test_what_reads_the_settings_can_be_typed_as_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str, command: str
) -> None:
    monkeypatch.setenv("HOME", "/home/li")
    folder = DataFolder(tmp_path)
    folder.path = Path(data)
    assert folder.env_command == command
    folder.release()


@pytest.mark.parametrize("is_fresh", [False, True])
def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(
    tmp_path: Path, is_fresh: bool
) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(UsageError, match="holds something that is not ours"):
        DataFolder(tmp_path, is_fresh=is_fresh)
    assert [entry.name for entry in tmp_path.iterdir()] == ["letter"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(UsageError, match="is not a folder"):
        DataFolder(tmp_path / "letter")


def test_a_second_run_is_told_who_has_the_folder(tmp_path: Path) -> None:
    first = DataFolder(tmp_path)
    with pytest.raises(FatalError, match=r"Another `trigger-worker run` \(process \d+\) uses"):
        DataFolder(tmp_path, is_fresh=True)
    first.release()
    DataFolder(tmp_path).release()


def test_the_default_lies_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/li")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert default_folder() == Path("/home/li/.local/share/trigger-worker")
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    assert default_folder() == Path("/srv/data/trigger-worker")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_folder() == Path("/home/li/.local/share/trigger-worker")
