"""The object of `make bench ARGS=--json` has the shape that others read."""

from pathlib import Path

from tests.benchmarks.contenders import OTHERS, OURS
from tests.benchmarks.contest import Contest
from tests.benchmarks.cost import Cost
from tests.benchmarks.draining import Drain
from tests.benchmarks.growth import Growth
from tests.benchmarks.latency import Latency, Quantiles, quantile
from tests.benchmarks.memory import Memory
from tests.benchmarks.report import Report
from tests.benchmarks.shapes import Shaped

README = Path(__file__).parents[2] / "benchmarks" / "README.md"


def test_throughput_is_a_rate_and_a_ratio_by_name() -> None:
    rounds = [
        {"product": Drain(18_000, 40), "plain": Drain(6_000, 80), "limit": Drain(20_000, 10)},
        {"product": Drain(15_000, 42), "plain": Drain(6_000, 82), "limit": Drain(20_000, 12)},
        {"product": Drain(16_000, 41), "plain": Drain(4_000, 81), "limit": Drain(40_000, 11)},
    ]
    report = _report()
    report.contests["kafka"] = Contest("kafka", rounds, OURS)

    assert report.as_json()["throughput"] == {
        "product": {"per_s": 16_000, "ratio": 1, "cpu_us": 41},
        "plain": {"per_s": 6_000, "ratio": 3, "cpu_us": 81},
        "limit": {"per_s": 20_000, "ratio": 0.75, "cpu_us": 11},
    }
    assert report.as_json()["reached"] == {"ratio to plain": True, "ratio to limit": True}


def test_latency_is_by_rate_and_judged_at_200_a_second() -> None:
    report = _report()
    fast, slow = Quantiles(4, 20, 30), Quantiles(10.04, 50.06, 51)
    report.latency = {50: Latency(fast, fast, fast, 1000, 1), 200: Latency(slow, fast, fast, 1, 1)}
    told = report.as_json()

    assert told["latency_ms"] == {
        "50": {"p50": 4, "p99": 20, "p999": 30, "seen": _F, "record": _F},
        "200": {"p50": 10, "p99": 50.1, "p999": 51, "seen": _F, "record": _F},
    }
    assert told["reached"] == {"p50 at 200/s, ms": False, "p99 at 200/s, ms": False}


_F = {"p50": 4, "p99": 20, "p999": 30}


def test_growth_compares_each_figure_alone() -> None:
    report = _report()
    rounds = [
        {100: _cost(30, 20), 1000: _cost(31, 30)},
        {100: _cost(30, 30), 1000: _cost(30, 30)},
        {100: _cost(40, 10), 1000: _cost(10, 90)},
    ]
    report.growth = Growth(rounds, {5: _cost(1, 1)})
    told = report.as_json()

    assert told["growth"]["records"]["1000"]["server_us"] == 30  # type: ignore[index]
    assert told["growth"]["jobs"]["5"]["statements"] == 0.016  # type: ignore[index]
    assert told["reached"] == {
        "worker CPU a trigger, 1,000 records to 100": True,
        "PostgreSQL CPU a trigger, 1,000 records to 100": False,
        "statements a trigger, 1,000 records to 100": True,
        "log a trigger, 1,000 records to 100": True,
        "log with whole pages a trigger, 1,000 records to 100": True,
    }
    assert [goal.measured for goal in report.goals()[:2]] == ["1.00", "1.50"]


def test_memory_is_that_of_the_largest_backlog() -> None:
    report = _report()
    report.memory = {5_000_000: Memory(149.6, 1), 1_000_000: Memory(120.2, 1)}
    told = report.as_json()

    assert told["rss_mb"] == 150
    assert told["rss_mb_by_waiting"] == {"5000000": 150, "1000000": 120}
    assert told["reached"] == {"RSS with 5,000,000 waiting, MB": True}


def test_a_quantile_lies_inside_its_bucket() -> None:
    buckets = {0.005: 50.0, 0.01: 90.0, float("inf"): 100.0}

    assert quantile(buckets, 0.5) == 0.005
    assert quantile(buckets, 0.7) == 0.0075
    assert quantile(buckets, 0.9) == 0.01


def test_the_readme_says_what_each_contender_promises() -> None:
    words = README.read_text()

    for each in (*OURS, *OTHERS):
        row = f"| {each.name} | {each.what} | {each.crash} | {each.owners} | {each.poison} |"
        assert row in words


def _report() -> Report:
    return Report({"cpu": "one"}, 0.2, 1000)


def _cost(client_us: float, server_us: float) -> Cost:
    return Cost(1, client_us, server_us, 1, 0.0161, 900, 100, 20, 160, 600)


def test_shapes_are_judged_beside_the_best_fixed_size_and_by_memory() -> None:
    report = _report()
    drains = {
        1000: Drain(240, 1, rss_mb=149.6),
        5: Drain(100, 1),
        20: Drain(250, 1),
        100: Drain(30, 1),
    }
    report.shapes = {"scripts": Shaped(drains)}
    told = report.as_json()

    assert told["shapes"] == {
        "scripts": {
            "per_s": {"1000": 240, "5": 100, "20": 250, "100": 30},
            "ratio": 0.96,
            "rss_mb": 150,
        }
    }
    assert told["reached"] == {
        "scripts: ratio to batches of 20": False,
        "scripts: RSS, MB": True,
    }
