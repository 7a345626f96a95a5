"""What many want is made once."""

import asyncio

import pytest

from job_trigger_worker.console.failures.live.single_flight import SingleFlightCache
from job_trigger_worker.errors import Transient


def test_it_is_made_once_for_all_who_wait() -> None:
    made: list[str] = []

    async def story() -> None:
        shared: SingleFlightCache[str] = SingleFlightCache(lasts_s=60)

        async def make() -> str:
            await asyncio.sleep(0)
            made.append("made")
            return f"number {len(made)}"

        assert (
            await asyncio.gather(*(shared.get("a", make) for _ in range(50))) == ["number 1"] * 50
        )
        assert await shared.get("a", make) == "number 1"
        assert await shared.get("b", make) == "number 2"

    asyncio.run(story())
    assert len(made) == 2


def test_it_lasts_longer_where_it_is_dear() -> None:
    async def story() -> list[int]:
        shared: SingleFlightCache[int] = SingleFlightCache(lasts_s=0.0)
        count = 0

        async def make() -> int:
            nonlocal count
            count += 1
            await asyncio.sleep(0.05)  # so dear that it lasts a second
            return count

        found = [await shared.get("a", make)]
        await asyncio.sleep(0.1)
        found.append(await shared.get("a", make))
        return found

    assert asyncio.run(story()) == [1, 1]


def test_who_leaves_takes_it_from_nobody_and_a_failure_is_not_kept() -> None:
    async def story() -> None:
        shared: SingleFlightCache[int] = SingleFlightCache(lasts_s=60)
        gate = asyncio.Event()

        async def make() -> int:
            await gate.wait()
            return 1

        first = asyncio.create_task(shared.get("a", make))
        second = asyncio.create_task(shared.get("a", make))
        await asyncio.sleep(0)
        first.cancel()
        gate.set()
        assert await second == 1

        async def fail() -> int:
            raise Transient("The database is away.")

        with pytest.raises(Transient):
            await shared.get("b", fail)
        assert await shared.get("b", make) == 1

    asyncio.run(story())
