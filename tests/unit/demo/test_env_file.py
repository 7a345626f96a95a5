"""The file that tells a shell where a run is."""

import stat
import subprocess
from pathlib import Path

from job_trigger_worker.demo import env_file

VALUES = {
    "TRIGGER_WORKER_DATABASE_URL": "postgresql+psycopg2://me:a$b`c'd\"e@127.0.0.1:1/a b",
    "TRIGGER_WORKER_CONSUMER_GROUP": "~/$(touch never)",
    "TRIGGER_WORKER_TOPIC_PREFIX": "",
}


def test_a_posix_shell_reads_every_value_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "env"
    path.parent.mkdir()
    env_file.write(path, VALUES)
    printed = subprocess.run(
        ["/bin/sh", "-euc", '. "$0" && env -0', str(path)],
        check=True,
        capture_output=True,
        cwd=tmp_path,
        env={},
        text=True,
    ).stdout
    found = dict(line.split("=", 1) for line in printed.split("\0") if line)
    assert {name: found[name] for name in VALUES} == VALUES
    assert not (tmp_path / "never").exists()


def test_it_is_for_its_user_alone_also_in_place_of_one_that_was_not(tmp_path: Path) -> None:
    path = tmp_path / "env"
    for left in (path, tmp_path / "env.new"):
        left.write_text("of a run before")
        left.chmod(0o644)
    env_file.write(path, {"TRIGGER_WORKER_CONSUMER_GROUP": "demo"})
    assert path.read_text() == "export TRIGGER_WORKER_CONSUMER_GROUP=demo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["env"]
