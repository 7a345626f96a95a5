from pathlib import Path

import pytest

from job_trigger_schemas.generate import main

FAILURE = "awp.job.trigger-failure.v1.schema.json"


def test_it_writes_a_schema_an_event_and_one_document_and_then_finds_them_current(
    tmp_path: Path,
) -> None:
    assert main([], folder=tmp_path) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "asyncapi.json",
        "awp.execution.status.v1.schema.json",
        "awp.job.dispatch.v1.schema.json",
        "awp.job.trigger-failure.v1.schema.json",
        "awp.job.trigger.v1.schema.json",
    ]
    assert all(path.read_text(encoding="utf-8").endswith("}\n") for path in tmp_path.iterdir())
    assert main(["--check"], folder=tmp_path) == 0


@pytest.mark.parametrize("fault", ["absent", "other"])
def test_check_names_the_stale_file_and_the_command(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([], folder=tmp_path)
    if fault == "absent":
        (tmp_path / FAILURE).unlink()
    else:
        (tmp_path / FAILURE).write_text("{}\n")
    capsys.readouterr()
    assert main(["--check"], folder=tmp_path) == 1
    assert capsys.readouterr().out == (
        f"json/{FAILURE} is not what the models say: run `python -m job_trigger_schemas.generate`\n"
    )
    main([], folder=tmp_path)
    assert main(["--check"], folder=tmp_path) == 0


def test_a_schema_of_no_event_is_stale_and_goes_away(tmp_path: Path) -> None:
    stranger = tmp_path / "awp.old.v1.schema.json"
    stranger.write_text("{}\n")
    assert main(["--check"], folder=tmp_path) == 1
    main([], folder=tmp_path)
    assert not stranger.exists()
