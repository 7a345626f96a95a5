"""The READMEs and the reference say what is."""

import re
from pathlib import Path

from job_trigger_worker.cli import COMMANDS
from job_trigger_worker.config import PREFIX, Settings

ROOT = Path(__file__).parents[2]
SETTINGS = (ROOT / "docs/settings.md").read_text()
COMMANDS_PAGE = (ROOT / "docs/commands.md").read_text()


def test_every_setting_is_documented_with_its_default() -> None:
    table = dict(re.findall(rf"^\| `{PREFIX}(\w+)` \| (?:`(.*?)`)? ?\|", SETTINGS, re.MULTILINE))
    defaults = {}
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = getattr(default, "get_secret_value", lambda value=default: value)()
        defaults[name.upper()] = "" if shown is None else str(shown)
    assert table == defaults


def test_every_command_is_documented() -> None:
    assert set(re.findall(r"`trigger-worker (\w+)", COMMANDS_PAGE)) == set(COMMANDS)


def test_every_file_that_a_readme_names_is_there() -> None:
    papers = [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("docs/*.md")]
    for readme in papers:
        for name in re.findall(
            r"`((?:worker|tests|schemas|migrations|deploy|locks)/[\w./-]+)`", readme.read_text()
        ):
            assert (ROOT / name).exists(), f"{readme.relative_to(ROOT)} names {name}"
