"""What a job's parameter may look like, and what is said of one that cannot be used."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.parameter import Parameter, Problem, parse
from job_trigger_worker.domain.verdict import Target

SERVER = {"server_id": "7", "ip": "10.0.0.7", "account": "deploy"}


def action(value: object) -> Parameter:
    return parse("action", json.dumps(value))


def workflow(value: object) -> Parameter:
    return parse("workflow", json.dumps(value))


def told(parameter: Parameter) -> list[tuple[str, Any, Any]]:
    return [
        (problem.code.value, problem.objects["reason"], problem.objects.get("path"))
        for problem in parameter.problems
    ]


def test_an_action_job_names_its_servers_and_accounts() -> None:
    servers = [SERVER, {"server_id": 8, "account": "财务"}]
    assert action({"servers": servers, "script": {"any": ["thing"]}}) == Parameter(
        (Target(7, "10.0.0.7", "deploy"), Target(8, None, "财务")), ()
    )


def test_a_workflow_job_names_them_by_node() -> None:
    nodes = [
        {"node_id": 2, "action_id": "31", "servers": [SERVER]},
        {"node_id": "copy", "servers": [SERVER, SERVER | {"account": "root"}]},
    ]
    assert workflow({"nodes": nodes}) == Parameter(
        (
            Target(7, "10.0.0.7", "deploy", None, "2", 31),
            Target(7, "10.0.0.7", "deploy", None, "copy", None),
            Target(7, "10.0.0.7", "root", None, "copy", None),
        ),
        (),
    )


def test_the_greatest_id_is_a_bigints() -> None:
    greatest = 9223372036854775807
    servers = [
        {"server_id": greatest, "account": "a"},
        {"server_id": str(greatest), "account": "b"},
    ]
    assert [target.server_id for target in action({"servers": servers}).targets] == [greatest] * 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "absent"),
        ("null", "absent"),
        ("", "absent"),
        (" \n", "absent"),
        ("{", "not_json"),
        ("NaN", "not_json"),
        ('{"servers": NaN}', "not_json"),
        ("[" * 10_000 + "]" * 10_000, "not_json"),
        ('"\\ud800"', "not_json"),
        ('"\ud800"', "not_json"),
        ("[]", "not_object"),
        ('"text"', "not_object"),
        (r'"{\"servers\": []}"', "encoded_twice"),
        (r'"[\"servers\"]"', "not_object"),
        ("17", "not_object"),
        ("true", "not_object"),
        ('{"pad": "' + "x" * 1_000_000 + '"}', "too_long"),
    ],
)
@pytest.mark.parametrize("job_type", ["action", "workflow"])
def test_what_is_no_object_is_invalid(job_type: str, text: str | None, reason: str) -> None:
    assert told(parse(job_type, text)) == [("parameter_invalid", reason, None)]


@pytest.mark.parametrize("value", [{}, {"servers": None}, {"servers": []}, {"nodes": []}])
def test_an_action_job_without_servers_has_no_targets(value: object) -> None:
    assert told(action(value)) == [("no_targets", "no_servers", "servers")]


@pytest.mark.parametrize("value", [{}, {"nodes": None}, {"nodes": []}, {"servers": [SERVER]}])
def test_a_workflow_job_without_nodes_has_no_targets(value: object) -> None:
    assert told(workflow(value)) == [("no_targets", "no_nodes", "nodes")]


@pytest.mark.parametrize("node", [{}, {"servers": None}, {"servers": []}])
def test_a_node_without_servers_is_named(node: dict[str, Any]) -> None:
    parameter = workflow(
        {"nodes": [{"node_id": "1", "servers": [SERVER]}, {"node_id": "2"} | node]}
    )
    assert parameter.problems == (
        Problem(
            FailureCode.NO_TARGETS,
            {"reason": "no_servers", "path": "nodes[1].servers", "node_id": "2"},
        ),
    )
    assert [target.node_id for target in parameter.targets] == ["1"]


@pytest.mark.parametrize(
    ("server", "reason", "path"),
    [
        (17, "not_object", "servers[0]"),
        (None, "not_object", "servers[0]"),
        ({"account": "a"}, "missing", "servers[0].server_id"),
        ({"server_id": None, "account": "a"}, "missing", "servers[0].server_id"),
        ({"server_id": True, "account": "a"}, "not_id", "servers[0].server_id"),
        ({"server_id": 0, "account": "a"}, "not_id", "servers[0].server_id"),
        ({"server_id": -7, "account": "a"}, "not_id", "servers[0].server_id"),
        ({"server_id": 7.0, "account": "a"}, "not_id", "servers[0].server_id"),
        ({"server_id": 2**63, "account": "a"}, "not_id", "servers[0].server_id"),
        ({"server_id": 10**30, "account": "a"}, "not_id", "servers[0].server_id"),
        ({"server_id": "", "account": "a"}, "not_id", "servers[0].server_id"),
        ({"server_id": "7a", "account": "a"}, "not_id", "servers[0].server_id"),
        ({"server_id": "٧", "account": "a"}, "not_id", "servers[0].server_id"),
        ({"server_id": "9" * 5000, "account": "a"}, "not_id", "servers[0].server_id"),
        ({"server_id": [7], "account": "a"}, "not_id", "servers[0].server_id"),
        ({"server_id": 7}, "missing", "servers[0].account"),
        ({"server_id": 7, "account": None}, "missing", "servers[0].account"),
        ({"server_id": 7, "account": 5}, "not_text", "servers[0].account"),
        ({"server_id": 7, "account": "a\0b"}, "not_text", "servers[0].account"),
        ({"server_id": 7, "account": ""}, "blank", "servers[0].account"),
        ({"server_id": 7, "account": " \t"}, "blank", "servers[0].account"),
        ({"server_id": 7, "account": "a" * 1025}, "too_long_name", "servers[0].account"),
        ({"server_id": 7, "account": "a", "ip": 10}, "not_text", "servers[0].ip"),
        ({"server_id": 7, "account": "a", "ip": "\0"}, "not_text", "servers[0].ip"),
    ],
)
def test_a_servers_fault_is_told_with_its_place(server: object, reason: str, path: str) -> None:
    parameter = action({"servers": [server, SERVER | {"server_id": 8}]})
    assert told(parameter) == [("parameter_invalid", reason, path)]
    assert [target.server_id for target in parameter.targets] == [8]


@pytest.mark.parametrize("servers", [{}, "7", 7, True])
def test_servers_are_a_list(servers: object) -> None:
    assert told(action({"servers": servers})) == [("parameter_invalid", "not_list", "servers")]


@pytest.mark.parametrize(
    ("node", "reason", "path"),
    [
        ([], "not_object", "nodes[0]"),
        ({"servers": [SERVER]}, "missing", "nodes[0].node_id"),
        ({"node_id": True, "servers": [SERVER]}, "not_text", "nodes[0].node_id"),
        ({"node_id": " ", "servers": [SERVER]}, "blank", "nodes[0].node_id"),
        ({"node_id": "1", "action_id": "x", "servers": [SERVER]}, "not_id", "nodes[0].action_id"),
        ({"node_id": "1", "servers": {}}, "not_list", "nodes[0].servers"),
        (
            {"node_id": "1", "servers": [{"server_id": 7}]},
            "missing",
            "nodes[0].servers[0].account",
        ),
    ],
)
def test_a_nodes_fault_is_told_with_its_place(node: object, reason: str, path: str) -> None:
    assert told(workflow({"nodes": [node]})) == [("parameter_invalid", reason, path)]


def test_the_same_server_and_account_twice_is_invalid_and_named() -> None:
    parameter = action({"servers": [SERVER, SERVER | {"server_id": 7}]})
    assert parameter.targets == (Target(7, "10.0.0.7", "deploy"),)
    assert parameter.problems == (
        Problem(
            FailureCode.PARAMETER_INVALID,
            {
                "reason": "server_twice",
                "path": "servers[1]",
                "server_id": "7",
                "account": "deploy",
            },
        ),
    )


def test_one_server_with_two_accounts_is_meant() -> None:
    parameter = action({"servers": [SERVER, SERVER | {"account": "root"}]})
    assert parameter.problems == ()
    assert [target.account for target in parameter.targets] == ["deploy", "root"]


def test_a_node_id_is_used_once() -> None:
    nodes = [{"node_id": 2, "servers": [SERVER]}, {"node_id": "2", "servers": [SERVER]}]
    assert told(workflow({"nodes": nodes})) == [
        ("parameter_invalid", "node_twice", "nodes[1].node_id")
    ]


def test_every_problem_is_told_and_invalid_ones_come_first() -> None:
    nodes = [
        {"node_id": "1", "servers": []},
        {"node_id": "2", "servers": [{"server_id": "x", "account": ""}]},
    ]
    assert told(workflow({"nodes": nodes})) == [
        ("parameter_invalid", "not_id", "nodes[1].servers[0].server_id"),
        ("parameter_invalid", "blank", "nodes[1].servers[0].account"),
        ("no_targets", "no_servers", "nodes[0].servers"),
    ]


def test_a_hundred_problems_are_told_one_by_one_then_that_there_are_more() -> None:
    problems = told(action({"servers": [1] * 50_000}))
    assert len(problems) == 101
    assert problems[99] == ("parameter_invalid", "not_object", "servers[99]")
    assert problems[100] == ("parameter_invalid", "more", None)


def test_a_long_value_is_shown_short() -> None:
    parameter = action({"servers": [{"server_id": "x" * 5000, "account": "a"}]})
    assert parameter.problems[0].objects["value"] == '"' + "x" * 59 + '…"'


def test_another_job_type_has_no_shape() -> None:
    assert parse("script", '{"servers": 7}') == Parameter((), ())
    assert parse("script", None) == Parameter((), ())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["servers", "nodes", "server_id", "account", "ip", "node_id", "x"]),
            inner,
        )
    ),
    max_leaves=30,
)


@given(job_type=st.sampled_from(["action", "workflow", "other"]), value=JSON)
def test_no_json_makes_it_raise_and_what_it_gives_can_be_stored(job_type: str, value: Any) -> None:
    parameter = parse(job_type, json.dumps(value))
    for target in parameter.targets:
        assert 1 <= target.server_id < 2**63
        assert target.account.strip()
        assert "\0" not in target.account
    json.dumps([problem.objects for problem in parameter.problems]).encode()


@given(text=st.text())
def test_no_text_makes_it_raise(text: str) -> None:
    parse("action", text)


@pytest.mark.parametrize(
    "parameter",
    [
        '"{\\"password\\": \\"geheim\\"}"',
        '{"servers": "password: geheim"}',
        '{"servers": [{"server_id": "token=geheim", "account": "deploy"}]}',
        '{"servers": [{"server_id": 7, "account": {"secret": "geheim"}}]}',
    ],
)
def test_no_problem_quotes_keys_and_values_of_the_parameter(parameter: str) -> None:
    problems = parse("action", parameter).problems
    assert problems
    assert "geheim" not in repr(problems)


@pytest.mark.parametrize(
    ("text", "position"), [('{"servers": [,]}', 14), ('{"servers": []', 15), ("{'a': 1}", 2)]
)
def test_where_json_ends_to_be_json_is_told(text: str, position: int) -> None:
    (problem,) = parse("action", text).problems
    assert problem.objects == {"reason": "not_json", "position": position}
