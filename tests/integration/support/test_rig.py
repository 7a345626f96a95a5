"""The test rig itself: what cannot run is left out loudly, and fails where CI relies on it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ON_BOTH_BROKERS = "test_dead_letters_are_kept_longer_than_the_rest"


@pytest.mark.parametrize(("ci", "status"), [("false", 0), ("true", 1)])
def test_without_java_kafka_tests_are_deselected_and_a_failure_in_ci_alone(
    ci: str, status: int
) -> None:
    outside = {name: value for name, value in os.environ.items() if name != "TEST_KAFKA"}
    arguments = ("-q", "-p", "no:cacheprovider", "-k", ON_BOTH_BROKERS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "tests/integration/commands/test_topics.py"],
        cwd=ROOT,
        env=outside | {"JAVA_HOME": "/nowhere", "CI": ci, "DOCKER_HOST": "unix:///nowhere"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert "Tests left out: 1\n" in done.stdout
    assert "There is no Java on JAVA_HOME (/nowhere)" in done.stdout


@pytest.mark.usefixtures("kafka")
def test_tests_on_real_kafka_carry_its_marker(
    request: pytest.FixtureRequest,
) -> None:
    assert request.node.get_closest_marker("kafka") is not None
