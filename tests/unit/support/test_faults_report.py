"""What `make faults` prints: one row a scenario, for people and for programs."""

from tests.faults.campaign import Run
from tests.faults.report import as_object, as_table, rows
from tests.support.checker import Kind, Violation

LOST = Violation(Kind.LOST, "job 7 at noon")


def _run(name: str, **more: object) -> Run:
    plain = {"triggers": 1000, "faults": 2, "records": 1000, "repeats": 3, "recover_s": 1.24}
    return Run(name, **plain | {"took_s": 9.0, "violations": ()} | more)  # type: ignore[arg-type]


RUNS = [
    _run("second", violations=(LOST, LOST)),
    _run("first", recover_s=0.5),
    _run("first", recover_s=12.34, records=999),
]


def test_runs_of_a_scenario_add_up_and_the_longest_recovery_counts() -> None:
    table = rows(RUNS, ["first", "second", "third"])
    assert as_object(7, table) == {
        "seed": 7,
        "scenarios": [
            {
                "name": "first",
                "runs": 2,
                "triggers": 2000,
                "faults": 4,
                "records": 1999,
                "repeats": 6,
                "violations": 0,
                "recover_s": 12.3,
            },
            {
                "name": "second",
                "runs": 1,
                "triggers": 1000,
                "faults": 2,
                "records": 1000,
                "repeats": 3,
                "violations": 2,
                "recover_s": 1.2,
            },
        ],
        "violations": 2,
    }


def test_the_table_has_a_head_and_a_sum() -> None:
    head, first, second, everything = as_table(rows(RUNS, ["first", "second"]))
    assert head.split() == [
        *("scenario", "runs", "triggers", "faults", "records", "repeats", "violations", "recover")
    ]
    assert first.split() == ["first", "2", "2,000", "4", "1,999", "6", "0", "12.3", "s"]
    assert second.split() == ["second", "1", "1,000", "2", "1,000", "3", "2", "1.2", "s"]
    assert everything.split() == ["all", "3", "3,000", "6", "2,999", "9", "2", "12.3", "s"]
