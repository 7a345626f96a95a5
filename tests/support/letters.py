"""Dead letters for tests of what people read, written as the worker leaves them."""

import msgpack

from tests.support.sql import session


def keep(
    database: str,
    value: bytes | None,
    *,
    reason: str = "no zone",
    job_id: int | None = None,
    key: bytes | None = b"17",
    headers: object = (),
    topic: str = "awp.job.triggers.v1",
    size: int | None = None,
    sha256: bytes | None = None,
    last_offset: int | None = None,
) -> int:
    """A dead letter of these bytes; its id. With `size` and `sha256` it is cut.

    With a `last_offset` it is a range.
    """
    with session(database) as opened, opened, opened.cursor() as cursor:
        cursor.execute(
            """
            insert into awp_trigger_ledger (topic, topic_id, "partition") values (%s, 'i', 2)
            on conflict (topic, topic_id, "partition") do update set epoch = 0 returning id
            """,
            (topic,),
        )
        cursor.execute(
            """
            insert into awp_dead_letter
                (ledger_id, origin_offset, reason, job_id, key, headers, value, size, sha256,
                 last_offset)
            values (%s, (select count(*) from awp_dead_letter), %s, %s, %s, %s, %s, %s, %s, %s)
            returning id
            """,
            (
                *(cursor.fetchone() or ()),
                *(reason, job_id, key, msgpack.packb(headers), value),
                *(size, sha256, last_offset),
            ),
        )
        return int((cursor.fetchone() or (0,))[0])
