"""How often somebody may try."""

from datetime import UTC, datetime

from job_trigger_worker.console.shared.limits import Limiter


class Hands:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds


def test_a_burst_then_one_each_interval() -> None:
    clock = Hands()
    limiter = Limiter(clock, burst=2, refill_s=10)
    assert [limiter.take("a") for _ in range(3)] == [0.0, 0.0, 10.0]
    clock.seconds = 4
    assert limiter.take("a") == 6.0
    clock.seconds = 10
    assert [limiter.take("a"), limiter.take("a")] == [0.0, 10.0]


def test_keys_count_for_themselves() -> None:
    limiter = Limiter(Hands(), burst=1, refill_s=10)
    assert [limiter.take("a"), limiter.take("b"), limiter.take("a")] == [0.0, 0.0, 10.0]


def test_what_did_not_happen_is_given_back() -> None:
    limiter = Limiter(Hands(), burst=1, refill_s=10)
    assert limiter.take("a") == 0.0
    limiter.give_back("a")
    limiter.give_back("a")  # never more than the burst
    assert [limiter.take("a"), limiter.take("a")] == [0.0, 10.0]


def test_a_bucket_is_never_fuller_than_its_burst() -> None:
    clock = Hands()
    limiter = Limiter(clock, burst=2, refill_s=1)
    limiter.take("a")
    clock.seconds = 3600
    assert [limiter.take("a") > 0 for _ in range(3)] == [False, False, True]


def test_memory_is_bounded_and_the_busiest_stay() -> None:
    limiter = Limiter(Hands(), burst=1, refill_s=10)
    for turn in range(30_000):
        limiter.take(f"address {turn}")
    assert len(limiter._buckets) == 20_000
    assert limiter.take("address 29999") > 0
    assert limiter.take("address 0") == 0.0
