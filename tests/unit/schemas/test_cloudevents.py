from job_trigger_schemas import cloudevents


def test_an_event_has_the_headers_of_the_kafka_binding() -> None:
    assert cloudevents.headers(
        event_type="awp.job.dispatch.v1",
        event_id="0198f3a0-0000-7000-8000-000000000011",
        time="2026-11-20T08:00:00Z",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ) == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"0198f3a0-0000-7000-8000-000000000011"),
        ("ce_source", b"job-trigger-worker"),
        ("ce_type", b"awp.job.dispatch.v1"),
        ("ce_time", b"2026-11-20T08:00:00Z"),
        ("content-type", b"application/json"),
        ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ]


def test_a_producer_names_itself_and_may_have_no_trace() -> None:
    pairs = dict(cloudevents.headers(event_type="t", event_id="i", time="now", source="common-job"))
    assert pairs["ce_source"] == b"common-job"
    assert "traceparent" not in pairs
