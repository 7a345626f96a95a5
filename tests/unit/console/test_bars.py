"""The picture of failures over time."""

from datetime import UTC, datetime, timedelta

from job_trigger_worker.console.shared.charts import Part, chart
from job_trigger_worker.domain.read_models import Bucket

START = datetime(2026, 11, 23, tzinfo=UTC)


def buckets(*by_code: dict[str, int]) -> list[Bucket]:
    return [Bucket(START + timedelta(hours=n), counts) for n, counts in enumerate(by_code)]


def test_bars_stack_from_the_ground() -> None:
    made = chart(buckets({"a": 3, "b": 1}, {}, {"b": 2}))
    assert made.bars[0].parts == (
        Part(1, 15.0, 25.0, 170.0, 75.0),
        Part(2, 15.0, 0.0, 170.0, 25.0),
    )
    assert made.bars[1].parts == ()
    assert made.bars[2].parts == (Part(2, 415.0, 50.0, 170.0, 50.0),)
    assert (made.total, made.highest) == (6, 4)
    assert made.legend == ((1, "a", 3), (2, "b", 3))


def test_rare_codes_share_a_colour() -> None:
    made = chart(buckets({f"code_{n}": 10 - n for n in range(8)}))
    assert [part.series for part in made.bars[0].parts] == [1, 2, 3, 4, 5, 6]
    assert made.legend[-1] == (6, None, 5 + 4 + 3)
    assert sum(part.height for part in made.bars[0].parts) == 100.0


def test_nothing_has_no_bars() -> None:
    assert chart([]).bars == ()
    empty = chart(buckets({}, {}))
    assert (empty.total, empty.highest, empty.legend) == (0, 0, ())
