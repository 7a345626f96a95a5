"""Figures from a worker's histogram."""

import pytest

from job_trigger_worker.demo.probes import Histogram

INF = float("inf")


def test_a_quantile_is_interpolated_within_its_bucket() -> None:
    latency = Histogram((0.001, 0.01, 0.1, INF), (10, 60, 100, 100))
    assert latency.quantile_ms(0.5) == pytest.approx(8.2)
    assert latency.quantile_ms(0.1) == 1


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert Histogram((0.1, INF), (1, 100)).quantile_ms(0.99) == 100


def test_nothing_observed_has_no_quantile() -> None:
    assert Histogram().quantile_ms(0.5) is None
    assert Histogram((0.1, INF), (0, 0)).quantile_ms(0.5) is None


def test_what_was_added_since_is_the_difference_of_one_process() -> None:
    earlier, now = Histogram((0.1, INF), (5, 6)), Histogram((0.1, INF), (7, 16))
    assert now.since(earlier) == Histogram((0.1, INF), (2, 10))


def test_a_process_that_started_again_counts_from_nothing() -> None:
    earlier, now = Histogram((0.1, INF), (5, 60)), Histogram((0.1, INF), (3, 4))
    assert now.since(earlier) == now
