"""Write what the models say: `python -m job_trigger_schemas.generate [--check]`.

A JSON Schema of every event, and one AsyncAPI document of all topics.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from job_trigger_schemas import asyncapi
from job_trigger_schemas.catalogue import EVENTS, Event

FOLDER = Path(__file__).parent / "json"
COMMAND = "python -m job_trigger_schemas.generate"


def render(event: Event) -> str:
    """The JSON Schema (draft 2020-12) of an event as text, the same on every run."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **event.model.model_json_schema(mode="validation"),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def rendered() -> dict[str, str]:
    """The text of every file of the folder, by its name."""
    document = json.dumps(asyncapi.document(), indent=2, ensure_ascii=False) + "\n"
    return {event.file_name: render(event) for event in EVENTS} | {asyncapi.FILE_NAME: document}


def stale(folder: Path = FOLDER) -> list[str]:
    """Names of files that are absent, differ from the models, or belong to no event."""
    wanted = rendered()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(
        name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name)
    )


def write(folder: Path = FOLDER) -> list[str]:
    """Bring the folder up to date; answers the names of the files that changed."""
    changed = stale(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        (folder / name).unlink(missing_ok=True)
    for name, text in rendered().items():
        if name in changed:
            (folder / name).write_text(text, encoding="utf-8")
    return changed


def main(arguments: Sequence[str] | None = None, *, folder: Path = FOLDER) -> int:
    """The command line; answers the exit code."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if stale")
    if not parser.parse_args(arguments).check:
        for name in write(folder):
            sys.stdout.write(f"wrote {FOLDER.name}/{name}\n")
        return 0
    names = stale(folder)
    for name in names:
        sys.stdout.write(f"{FOLDER.name}/{name} is not what the models say: run `{COMMAND}`\n")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
