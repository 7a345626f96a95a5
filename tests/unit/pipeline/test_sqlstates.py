"""What a database error means for the worker (design 6.5, 6.6)."""

import pytest
from sqlalchemy.exc import DBAPIError

from job_trigger_worker.errors import (
    ConnectionLost,
    FatalError,
    Locked,
    Refused,
    Transient,
    Unknown,
    ViewRaised,
)
from job_trigger_worker.storage.db.errors import classify, translate_row_errors

ON_WRITE = {
    "22001": Refused,
    "22P02": Refused,
    "23514": Refused,
    "54000": Refused,
    "21000": Refused,  # from a function of the platform's, as the next two
    "P0001": Refused,
    "39004": Refused,
    "44000": Refused,
    "42501": FatalError,
    "40001": Transient,
    "40P01": Transient,
    "55P03": Locked,
    "53100": Transient,
    "57014": Transient,
    "25006": Transient,
    "57P01": ConnectionLost,
    "08006": Transient,  # of a server behind the server: the session lives
    "55000": Transient,
    "XX001": Transient,
    "25P03": ConnectionLost,
    "26000": ConnectionLost,
    "42P01": FatalError,
}
ON_READ = {
    "22012": ViewRaised,
    "21000": ViewRaised,
    "P0001": ViewRaised,
    "23514": ViewRaised,
    "XX001": ViewRaised,  # a damaged page: rows on others can be read
    "55000": Transient,  # a materialized view that was never filled
    "08001": Transient,  # of a server behind the server
    "40001": Transient,
    "55P03": Locked,
    "26000": ConnectionLost,
    "42P01": FatalError,
    "42703": FatalError,
    "42501": FatalError,
}


class _Fault(Exception):
    def __init__(self, state: str | None, words: str = "words of the server") -> None:
        super().__init__(words)
        self.pgcode = state


@pytest.mark.parametrize("state", ON_WRITE)
def test_what_a_write_raises(state: str) -> None:
    error = classify(DBAPIError("insert", {}, _Fault(state)), is_write=True)
    assert type(error) is ON_WRITE[state]
    assert "words of the server" in str(error)


@pytest.mark.parametrize("state", ON_READ)
def test_what_a_read_raises_is_never_the_triggers_fault(state: str) -> None:
    raised = DBAPIError("select", {}, _Fault(state))
    found = classify(raised, is_write=False, view="preflight_job")
    assert type(found) is ON_READ[state]
    if ON_READ[state] is not ConnectionLost:
        assert "The view preflight_job" in str(found)


def test_a_row_that_may_not_be_written_is_refused_as_a_row() -> None:
    with pytest.raises(Refused), translate_row_errors():
        raise DBAPIError("insert", {}, _Fault("42501"))


def test_a_read_that_is_of_no_view_is_unknown_too() -> None:
    assert type(classify(DBAPIError("select", {}, _Fault("22012")), is_write=False)) is Unknown


def test_what_broke_the_session_is_a_lost_connection_whatever_its_state() -> None:
    raised = DBAPIError("insert", {}, _Fault("08006"), connection_invalidated=True)
    assert type(classify(raised, is_write=True)) is ConnectionLost
