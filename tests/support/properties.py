"""How many examples properties are tried with: few and the same ones, or many and new ones.

By default every run tries the same examples (no seed, no database), so that none fails by chance.
`TEST_EXAMPLES=20` tries twenty times as many, new ones each time: for a night, or after a change of
what the property speaks of.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("TEST_EXAMPLES", "1"))
_IS_LONG = TIMES > 1

settings.register_profile(
    "ours",
    derandomize=not _IS_LONG,
    database=None,
    deadline=None,  # two cores, shared: time says nothing here
    max_examples=100 * TIMES,
    print_blob=_IS_LONG,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def load() -> None:
    """Try every property as this module says."""
    settings.load_profile("ours")


def examples(count: int, *, steps: int = 50) -> settings:
    """That many examples, or `TIMES` as many; `steps` of a stateful one."""
    return settings(max_examples=count * TIMES, stateful_step_count=steps)


patient = pytest.mark.timeout(300 + 60 * TIMES)
"""Mark of a property that a database takes part in: making a failure small takes its time."""
