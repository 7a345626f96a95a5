"""Where tests take their services from."""

from pathlib import Path

from tests.support.services import (
    Choice,
    Source,
    choose_browser,
    choose_kafka,
    choose_postgres,
    choose_secured_postgres,
)

OWN = Choice(Source.MAVEN, "Apache Kafka 4.3.0 from Maven, Java 17")
IMAGES = ("alpine:3", "confluentinc/cp-kafka:7.9.0", "postgres:17-alpine")


def test_what_the_environment_gives_comes_first() -> None:
    given = {"TEST_DATABASE_URL": "postgresql://u:p@db/x", "TEST_KAFKA": "kafka:9092"}
    assert choose_postgres(given, IMAGES) == Choice(Source.GIVEN, "postgresql://u:p@db/x")
    assert choose_kafka(given, IMAGES, OWN) == Choice(Source.GIVEN, "kafka:9092")


def test_then_images_that_are_here() -> None:
    assert choose_postgres({}, IMAGES) == Choice(Source.CONTAINER, "postgres:17-alpine")
    assert choose_kafka({}, IMAGES, OWN) == Choice(Source.CONTAINER, "confluentinc/cp-kafka:7.9.0")


def test_then_what_needs_no_engine() -> None:
    assert choose_postgres({}, ("alpine:3",)).source is Source.EMBEDDED
    assert choose_kafka({}, ("alpine:3", "confluentinc/cp-kafka:6.2.0"), OWN) is OWN


def test_a_browser_is_given_or_installed_and_never_downloaded() -> None:
    given = choose_browser({"TEST_BROWSER": "/opt/chromium"}, "/usr/bin/chromium")
    assert given == Choice(Source.GIVEN, "/opt/chromium")
    assert choose_browser({}, "/usr/bin/chromium").detail == "/usr/bin/chromium"
    assert not choose_browser({}, None).is_available


def test_a_postgresql_with_tls_is_given_or_the_newest_installed() -> None:
    installed = [Path(f"/usr/lib/postgresql/{version}/bin") for version in ("9.6", "17", "15")]
    given = choose_secured_postgres({"TEST_POSTGRES_PROGRAMS": "/opt/pg/bin"}, installed)
    assert given == Choice(Source.GIVEN, "/opt/pg/bin")
    assert choose_secured_postgres({}, installed).detail == "/usr/lib/postgresql/17/bin"
    assert not choose_secured_postgres({}, []).is_available
