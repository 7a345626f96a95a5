"""`job-trigger-schemas` is enough for producers and consumers: it needs nothing of the worker."""

import json
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ("--no-deps", "--no-build-isolation", "--no-index", "-q", "--disable-pip-version-check")
MODELS_ALONE = """
import importlib.resources, json, sys
sys.path.insert(0, sys.argv[1])
import job_trigger_schemas
from job_trigger_schemas import catalogue, cloudevents, identity, topics
schemas = importlib.resources.files(job_trigger_schemas) / "json"
print(json.dumps({
    "from": job_trigger_schemas.__file__,
    "schemas": sorted(each.name for each in schemas.iterdir()),
    "foreign": sorted({"kafka", "confluent_kafka", "job_trigger_worker"} & set(sys.modules)),
}))
"""
EVERYTHING = """
import importlib, json, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import job_trigger_schemas
for each in pkgutil.iter_modules(job_trigger_schemas.__path__):
    importlib.import_module(f"job_trigger_schemas.{each.name}")
print(json.dumps(sorted({"job_trigger_worker"} & set(sys.modules))))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built offline from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", *BUILD, "-w", str(folder), str(ROOT / "schemas")]
    subprocess.run(build, check=True, timeout=60)
    (built,) = folder.glob("*.whl")
    return built


def answer(program: str, wheel: Path) -> object:
    """What a program prints that has the wheel in front of everything else."""
    command = [sys.executable, "-I", "-W", "ignore", "-c", program, str(wheel)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout)


def test_the_models_need_pydantic_alone_and_bring_their_json_schemas(wheel: Path) -> None:
    found = answer(MODELS_ALONE, wheel)
    assert found == {
        "from": f"{wheel}/job_trigger_schemas/__init__.py",
        "schemas": [
            "asyncapi.json",
            "awp.execution.status.v1.schema.json",
            "awp.job.dispatch.v1.schema.json",
            "awp.job.trigger-failure.v1.schema.json",
            "awp.job.trigger.v1.schema.json",
        ],
        "foreign": [],
    }


def test_nothing_in_it_needs_the_worker(wheel: Path) -> None:
    assert answer(EVERYTHING, wheel) == []


def test_it_says_what_it_needs_and_that_it_has_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
        (metadata,) = [name for name in names if name.endswith("/METADATA")]
        says = Parser().parsestr(files.read(metadata).decode())
    assert "job_trigger_schemas/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {
        "job_trigger_schemas",
        metadata.partition("/")[0],
    }
    assert says["Name"] == "job-trigger-schemas"
    assert says.get_all("Requires-Dist") == [
        "pydantic<3,>=2.11",
        "kafka-python[crc32c,lz4,snappy,zstd]<4,>=3.0.11; extra == 'kafka'",
    ]
