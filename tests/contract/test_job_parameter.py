"""The committed JSON Schema of a job's parameter says what preflight reads."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from job_trigger_worker.domain.parameter import parse

DOCS = Path(__file__).parents[2] / "docs"
SERVER: dict[str, Any] = {"server_id": 7, "account": "root"}
LARGEST = 2**63 - 1

ACTIONS = {
    "as it is": ({"servers": [SERVER]}, True),
    "an id as text": ({"servers": [SERVER | {"server_id": "7"}]}, True),
    "the largest id": ({"servers": [SERVER | {"server_id": LARGEST}]}, True),
    "more than that": ({"servers": [SERVER | {"server_id": LARGEST + 1}]}, False),
    "zero": ({"servers": [SERVER | {"server_id": 0}]}, False),
    "zero as text": ({"servers": [SERVER | {"server_id": "0"}]}, False),
    "zeros in front": ({"servers": [SERVER | {"server_id": "007"}]}, True),
    "a negative id": ({"servers": [SERVER | {"server_id": -1}]}, False),
    "an id that is none": ({"servers": [SERVER | {"server_id": "H0007"}]}, False),
    "a flag for an id": ({"servers": [SERVER | {"server_id": True}]}, False),
    "an ip": ({"servers": [SERVER | {"ip": "10.0.0.7"}]}, True),
    "no ip": ({"servers": [SERVER | {"ip": None}]}, True),
    "a number for an ip": ({"servers": [SERVER | {"ip": 7}]}, False),
    "no account": ({"servers": [{"server_id": 7}]}, False),
    "a blank account": ({"servers": [SERVER | {"account": " \t"}]}, False),
    "an account in Chinese": ({"servers": [SERVER | {"account": "数据库"}]}, True),
    "a long account": ({"servers": [SERVER | {"account": "a" * 1025}]}, False),
    "an account with NUL": ({"servers": [SERVER | {"account": "a\0b"}]}, False),
    "no server": ({"servers": []}, False),
    "no servers": ({}, False),
    "servers that are none": ({"servers": "7"}, False),
    "a server that is none": ({"servers": [7]}, False),
    "keys of the platform's": ({"servers": [SERVER | {"zone": "a"}], "script": [1]}, True),
    "nodes beside": ({"servers": [SERVER], "nodes": [{"node_id": "1", "servers": [SERVER]}]}, True),
    "a list": ([SERVER], False),
    "null": (None, False),
}
NODE: dict[str, Any] = {"node_id": "1", "action_id": 9, "servers": [SERVER]}
WORKFLOWS = {
    "as it is": ({"nodes": [NODE, NODE | {"node_id": 2}]}, True),
    "no action": ({"nodes": [{"node_id": "1", "servers": [SERVER]}]}, True),
    "a null action": ({"nodes": [NODE | {"action_id": None}]}, True),
    "an action that is none": ({"nodes": [NODE | {"action_id": "a"}]}, False),
    "no node id": ({"nodes": [{"servers": [SERVER]}]}, False),
    "a blank node id": ({"nodes": [NODE | {"node_id": ""}]}, False),
    "a node without servers": ({"nodes": [{"node_id": "1"}]}, False),
    "no node": ({"nodes": []}, False),
    "no nodes": ({}, False),
}


@pytest.mark.parametrize(
    ("job_type", "value", "is_good"),
    [("action", *case) for case in ACTIONS.values()]
    + [("workflow", *case) for case in WORKFLOWS.values()],
    ids=[*(f"action: {name}" for name in ACTIONS), *(f"workflow: {name}" for name in WORKFLOWS)],
)
def test_it_takes_what_preflight_takes(job_type: str, value: object, is_good: bool) -> None:
    schema = json.loads((DOCS / "job-parameter.schema.json").read_text())
    of_type = {"$schema": schema["$schema"], "$defs": schema["$defs"]}
    of_type["$ref"] = f"#/$defs/{job_type}"
    assert jsonschema_rs.is_valid(of_type, value) is is_good
    assert (not parse(job_type, json.dumps(value)).problems) is is_good
    assert not is_good or jsonschema_rs.is_valid(schema, value)


def test_the_examples_of_the_page_are_good() -> None:
    schema = json.loads((DOCS / "job-parameter.schema.json").read_text())
    examples = re.findall(r"```json\n(.+?)```", (DOCS / "platform.md").read_text(), re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        assert jsonschema_rs.is_valid(schema, json.loads(example)), example
