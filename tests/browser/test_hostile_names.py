"""Names that somebody chose to do harm are text everywhere, and break no page."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.browser.conftest import Visiting
from tests.support.console import Served, serving
from tests.support.history import NOW, FrozenClock, writing
from tests.support.postgres import PostgresServer

NAMES = {
    "script": "<script>document.title='taken'</script>",
    "image": '"><img src=x onerror="document.title=\'taken\'">',
    "right to left": "invoice\u202egpj.exe",
    "arabic": "تدوير السجلات",
    "one long word": "x" * 10_000,
    "marks": "a" + "\u0301" * 300,
}


@pytest.fixture(scope="module")
def hostile(postgres: PostgresServer) -> Iterator[tuple[Served, dict[str, tuple[int, int]]]]:
    """A console whose every name is hostile; job and record by what is wrong with it."""
    database = postgres.create("browser_hostile")
    ids = {}
    with writing(database) as (p, h):
        for key, name in NAMES.items():
            owner = p.user(name[:2_000])
            job = p.action_job([(p.server(name), name[:2_000])], name=name, owner_id=owner)
            found = {"code": "server_not_found", "message": name, "server_id": "7", "ip": name}
            record = h.failed(
                job, found, causes=[f"server_not_found:server={name[:400]}"], job_name=name
            )
            h.dispatched(
                job, name[:2_000], run_message=name, slot=NOW - timedelta(hours=1), job_name=name
            )
            ids[key] = (job, record)
    with serving(database, clock=FrozenClock()) as served:
        yield served, ids
    postgres.drop("browser_hostile")


@pytest.mark.parametrize("width", [375, 1280])
def test_lists_show_them_as_text(
    visiting: Visiting, hostile: tuple[Served, dict[str, tuple[int, int]]], width: int
) -> None:
    served, _ = hostile
    with visiting(served, width=width, login=NAMES["image"]) as visitor:
        for path in ("/jobs", "/history", "/failures"):
            page = visitor.open(path)
            assert "taken" not in page.title()
            assert page.locator("img").count() == 0
            assert page.get_by_text(NAMES["script"], exact=True).first.is_visible(), path
            assert page.get_by_text(NAMES["image"], exact=True).first.is_visible(), path
            assert visitor.sideways_px() <= 0, path


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("key", NAMES)
def test_details_show_them_as_text(
    visiting: Visiting, hostile: tuple[Served, dict[str, tuple[int, int]]], key: str, width: int
) -> None:
    served, ids = hostile
    job, record = ids[key]
    with visiting(served, width=width) as visitor:
        for path in (f"/jobs/{job}", f"/history/{record}"):
            page = visitor.open(path)
            assert page.title() != "taken"
            assert page.locator("img").count() == 0
            assert page.locator("h1 bdi").inner_text().startswith(NAMES[key][:60])
            assert visitor.sideways_px() <= 0, path
