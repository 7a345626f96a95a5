"""The picture of throughput says what it shows, in numbers and lengths."""

from xml.etree import ElementTree as ET

from tests.benchmarks.picture import bars

SVG = "{http://www.w3.org/2000/svg}"


def test_the_fastest_is_on_top_and_lengths_follow_the_numbers() -> None:
    root = ET.fromstring(  # noqa: S314 - our own
        bars("Triggers", "on a machine", {"slow": 50, "ours": 1000, "fast": 2000}, "ours")
    )
    widths = [float(rect.get("width", 0)) for rect in root.iter(f"{SVG}rect")]
    words = [text.text for text in root.iter(f"{SVG}text")]

    assert widths == [400, 200, 10]
    assert words == [
        "Triggers",
        "on a machine",
        "fast",
        "2,000/s  (ours is 0.50 of it)",
        "ours",
        "1,000/s",
        "slow",
        "50/s  (ours is 20 of it)",
    ]


def test_a_screen_reader_gets_the_figures() -> None:
    root = ET.fromstring(bars("Triggers", "", {"a<b": 10, "ours": 20}, "ours"))  # noqa: S314

    assert root.get("role") == "img"
    (said,) = root.iter(f"{SVG}desc")
    assert said.text == "ours 20 a second; a<b 10 a second"
