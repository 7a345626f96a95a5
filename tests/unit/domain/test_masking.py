import json
import time

import pytest

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.masking import MASK, Masker

masker = Masker(Settings().masked_parameter_words)


@pytest.mark.parametrize(
    "key",
    ["password", "DB_PASSWORD", "dbPassword", "api-key", "apiKey", "Access Token", "client_secret",
     "private_key", "pwd", "数据库密码", "Authorization"],
)  # fmt: skip
def test_a_key_that_looks_secret_hides_its_value(key: str) -> None:
    assert masker.value({key: "geheim"}) == {key: MASK}


@pytest.mark.parametrize("key", ["server_id", "account", "credential_id", "ip", "key", "keys", "p"])
def test_other_keys_are_shown(key: str) -> None:
    assert masker.value({key: "7"}) == {key: "7"}


def test_it_goes_into_lists_and_objects_and_changes_nothing_in_place() -> None:
    given = {"nodes": [{"servers": [{"server_id": 7, "password": "x"}], "env": {"TOKEN": [1, 2]}}]}
    assert masker.value(given) == {
        "nodes": [{"servers": [{"server_id": 7, "password": MASK}], "env": {"TOKEN": MASK}}]
    }
    assert given["nodes"][0]["env"] == {"TOKEN": [1, 2]}


def test_nothing_is_not_hidden() -> None:
    assert masker.value({"password": None, "token": ""}) == {"password": None, "token": ""}


def test_a_password_in_an_address_is_hidden_whatever_its_key() -> None:
    assert masker.value({"dsn": "postgresql://li:pa%3Ass@db:5432/x"}) == {
        "dsn": f"postgresql://li:{MASK}@db:5432/x"
    }
    assert masker.value("http://db:5432/a@b") == "http://db:5432/a@b"


def test_json_text_keeps_its_meaning() -> None:
    assert json.loads(masker.text('{"job_id": "7", "token": "abc"}')) == {
        "job_id": "7",
        "token": MASK,
    }


def test_text_without_a_secret_is_left_as_it_is() -> None:
    assert masker.text('{"job_id" :  "7"}') == '{"job_id" :  "7"}'


@pytest.mark.parametrize(
    "text",
    [
        '{"job_id": 7, "db_password": "geheim"',  # cut
        '{"password": "geheim',  # cut within the value
        '{"a": "{\\"password\\": \\"geheim\\"}',
        "password=geheim&x=1",
        "api-key: geheim",
        "{'token': 'geheim'}",
    ],
)
def test_a_secret_is_hidden_in_text_that_is_no_json(text: str) -> None:
    assert "geheim" not in masker.text(text)
    assert MASK in masker.text(text)


def test_json_within_a_text_value_is_hidden_too() -> None:
    assert "geheim" not in masker.text(json.dumps({"body": json.dumps({"password": "geheim"})}))


def test_depth_does_not_break_it() -> None:
    assert masker.text("[" * 100_000) == "[" * 100_000
    deep = '{"password": "geheim", "a": ' + "[" * 900 + "]" * 900 + "}"
    assert "geheim" not in masker.text(deep)


def test_without_words_only_addresses_are_hidden() -> None:
    assert Masker("").value({"password": "x", "u": "a://b:c@d"}) == {
        "password": "x",
        "u": f"a://b:{MASK}@d",
    }
    assert Masker("").text("password=x y") == "password=x y"


@pytest.mark.parametrize(
    "text",
    [
        '{"password": "geheim", "password": null}',
        '{"a": {"password": "geheim"}, "a": 1}',
        '{"p\\u0061ssword": "geheim"',  # cut
        '{"\\u5bc6\\u7801": "geheim"',  # a word in Chinese, cut
    ],
)
def test_a_secret_behind_a_repeated_or_escaped_key_is_hidden(text: str) -> None:
    assert "geheim" not in masker.text(text)


@pytest.mark.parametrize("piece", ["x", "token", "token ", "api_", "a=", '"', "://a:"])
def test_a_long_text_takes_no_longer_than_it_is_long(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began = time.process_time()
    Masker("password,token,apikey").text(text)
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.def, then", "Authorization: Bearer ••••••, then"),
        ("authorization=basic dXNlcg==", "authorization=basic ••••••"),
        ("密码：geheim", "密码：••••••"),
        ("postgres://u:p@ss@h/x", "postgres://u:••••••@h/x"),
    ],
)
def test_what_stands_before_or_in_a_secret_does_not_uncover_it(text: str, shown: str) -> None:
    masker = Masker("password,authorization,密码")
    assert masker.text(text) == shown
    assert masker.value({"note": text}) == {"note": shown}
