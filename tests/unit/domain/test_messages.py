"""Every sentence, in both languages, written out by hand."""

import string

import pytest

from job_trigger_worker.domain.codes import FailureCode as Code
from job_trigger_worker.domain.messages import (
    Language,
    as_json,
    describe_stored,
    localize,
    of_cause,
    remedy,
    sentence,
    shown,
    summary,
)
from job_trigger_worker.domain.sentences import en, zh
from job_trigger_worker.domain.verdict import Finding

Objects = dict[str, str | int | None]

JOB: Objects = {"job_id": "17", "job_name": "log-backup"}
DB07: Objects = {"server_id": "7", "ip": "10.0.0.7", "server_name": "db-07"}
WEB12: Objects = {
    "server_id": "12",
    "ip": "10.0.1.12",
    "server_name": "web-12",
    "account": "deploy",
}
EARLY: Objects = {
    "scheduled_at": "2026-11-02T03:00:00.000000Z",
    "earliness_s": 3_600,
    "max_earliness_s": 300,
}
LATE: Objects = {
    "scheduled_at": "2026-11-02T03:00:00.000000Z",
    "lateness_s": 7512,
    "max_lateness_s": 3600,
}
OWNER: Objects = {"owner_id": "5", "owner_name": "wang.fang"}
ACTION: Objects = {"job_type": "action", "target_id": "9", "target_name": "Rotate logs"}


def _said(kind: str, view: str, column: str, value: str | None) -> Objects:
    """What a view says of an object of a kind and may not say."""
    return {"reason": kind, "view": view, "column": column, "value": value}


SAID = [
    (
        Finding(Code.JOB_NOT_FOUND, {"job_id": "17"}),
        "Job 17 does not exist.",
        "任务 17 不存在。",
    ),
    (
        Finding(Code.JOB_DISABLED, JOB),
        "Job 17 (log-backup) is switched off.",
        "任务 17（log-backup）已停用。",
    ),
    (
        Finding(Code.EXPIRED, JOB | LATE),
        (
            "Job 17 (log-backup) was due at 2026-11-02 03:00:00 UTC and came 2 h 5 min late;"
            " at most 1 h is allowed."
        ),
        (
            "任务 17（log-backup）应于 2026-11-02 03:00:00 UTC 触发，已迟到 2 小时 5 分钟，"
            "最多允许 1 小时。"
        ),
    ),
    (
        Finding(Code.TOO_EARLY, JOB | EARLY),
        (
            "Job 17 (log-backup) was triggered for 2026-11-02 03:00:00 UTC, 1 h ahead of its slot;"
            " at most 5 min is believed."
        ),
        (
            "任务 17（log-backup）的触发时间为 2026-11-02 03:00:00 UTC，提前了 1 小时，"
            "最多只接受提前 5 分钟。"
        ),
    ),
    (
        Finding(Code.AUTOMATION_NOT_FOUND, {"job_type": "action", "target_id": "9"}),
        "Action 9 does not exist.",
        "操作 9 不存在。",
    ),
    (
        Finding(
            Code.AUTOMATION_NOT_FOUND,
            {
                "job_type": "workflow",
                "target_id": "4",
                "target_name": "Nightly",
                "reason": "disabled",
            },
        ),
        "Workflow 4 (Nightly) is switched off.",
        "编排 4（Nightly）已停用。",
    ),
    (
        Finding(Code.AUTOMATION_NOT_FOUND, JOB | {"job_type": "workflow", "reason": "unset"}),
        "Job 17 (log-backup) names no workflow.",
        "任务 17（log-backup）未指定编排。",
    ),
    (
        Finding(Code.PARAMETER_INVALID, JOB | {"reason": "absent"}),
        "Job 17 (log-backup) has no parameter.",
        "任务 17（log-backup）没有参数。",
    ),
    (
        Finding(Code.PARAMETER_INVALID, {"reason": "too_long", "value": 1000011}),
        "The job's parameter is too long to be sent.",
        "任务的参数过长，无法发送。",
    ),
    (
        Finding(Code.PARAMETER_INVALID, {"reason": "too_large", "value": 921601}),
        "The dispatch would have 921601 bytes; at most 921600 are sent.",
        "派发事件将有 921601 字节，最多可发送 921600 字节。",
    ),
    (
        Finding(Code.PARAMETER_INVALID, JOB | {"reason": "not_json"}),
        "The parameter of job 17 is not valid JSON.",
        "任务 17 的参数不是有效的 JSON。",
    ),
    (
        Finding(Code.PARAMETER_INVALID, JOB | {"reason": "not_json", "position": 14}),
        "The parameter of job 17 is not valid JSON, from character 14 on.",
        "任务 17 的参数不是有效的 JSON（从第 14 个字符起）。",
    ),
    (
        Finding(Code.PARAMETER_INVALID, JOB | {"reason": "encoded_twice"}),
        "The parameter of job 17 is JSON that was encoded twice: a text with an object in it.",
        "任务 17 的参数被编码为 JSON 两次：是内含对象的文本，而不是对象。",
    ),
    (
        Finding(Code.PARAMETER_INVALID, JOB | {"reason": "not_object", "value": "[…]"}),
        "The parameter of job 17 must hold an object, not […].",
        "任务 17 的参数应为对象，实际为 […]。",
    ),
    (
        Finding(
            Code.PARAMETER_INVALID,
            JOB | {"reason": "not_list", "path": "servers", "value": "7"},
        ),
        "The parameter of job 17 must hold a list at servers, not 7.",
        "任务 17 的参数 servers 应为列表，实际为 7。",
    ),
    (
        Finding(
            Code.PARAMETER_INVALID,
            JOB | {"reason": "not_id", "path": "servers[2].server_id", "value": '"db-07"'},
        ),
        (
            'The parameter of job 17 has "db-07" at servers[2].server_id; an id is a whole number'
            " from 1 to 9223372036854775807."
        ),
        '任务 17 的参数 servers[2].server_id 为 "db-07"，ID 应为 1 到 9223372036854775807 的整数。',
    ),
    (
        Finding(Code.PARAMETER_INVALID, JOB | {"reason": "missing", "path": "servers[0].account"}),
        "The parameter of job 17 has nothing at servers[0].account.",
        "任务 17 的参数 servers[0].account 缺失。",
    ),
    (
        Finding(
            Code.PARAMETER_INVALID,
            JOB | {"reason": "not_text", "path": "servers[0].account", "value": "5"},
        ),
        "The parameter of job 17 must hold a text without NUL at servers[0].account, not 5.",
        "任务 17 的参数 servers[0].account 应为不含 NUL 的文本，实际为 5。",
    ),
    (
        Finding(Code.PARAMETER_INVALID, JOB | {"reason": "blank", "path": "servers[0].account"}),
        "The parameter of job 17 has a blank name at servers[0].account.",
        "任务 17 的参数 servers[0].account 名称为空。",
    ),
    (
        Finding(
            Code.PARAMETER_INVALID,
            JOB | {"reason": "too_long_name", "path": "servers[0].account"},
        ),
        "The parameter of job 17 has a name of more than 1024 characters at servers[0].account.",
        "任务 17 的参数 servers[0].account 名称超过 1024 个字符。",
    ),
    (
        Finding(
            Code.PARAMETER_INVALID,
            JOB | {"reason": "node_twice", "path": "nodes[1].node_id", "node_id": "2"},
        ),
        "Node 2: The parameter of job 17 uses this node id a second time at nodes[1].node_id.",
        "节点 2：任务 17 的参数 nodes[1].node_id 重复使用了该节点 ID。",
    ),
    (
        Finding(
            Code.PARAMETER_INVALID,
            JOB
            | {"reason": "server_twice", "path": "servers[1]"}
            | {"server_id": "7", "account": "deploy"},
        ),
        "The parameter of job 17 lists server 7 with account 'deploy' a second time at servers[1].",
        "任务 17 的参数 servers[1] 重复列出了服务器 7 和账号“deploy”。",
    ),
    (
        Finding(Code.PARAMETER_INVALID, JOB | {"reason": "more"}),
        "The parameter of job 17 has further faults.",
        "任务 17 的参数还有其他错误。",
    ),
    (
        Finding(Code.NO_TARGETS, JOB | {"reason": "no_servers", "path": "servers"}),
        "Job 17 (log-backup) names no server.",
        "任务 17（log-backup）未指定服务器。",
    ),
    (
        Finding(Code.NO_TARGETS, JOB | {"reason": "no_servers", "node_id": "2"}),
        "Node 2: Job 17 (log-backup) names no server.",
        "节点 2：任务 17（log-backup）未指定服务器。",
    ),
    (
        Finding(Code.NO_TARGETS, JOB | {"reason": "no_nodes", "path": "nodes"}),
        "Job 17 (log-backup) names no node.",
        "任务 17（log-backup）未指定节点。",
    ),
    (
        Finding(Code.SERVER_NOT_FOUND, {"server_id": "7", "ip": "10.0.0.7"}),
        "Server 7 (10.0.0.7) does not exist.",
        "服务器 7（10.0.0.7）不存在。",
    ),
    (
        Finding(Code.SERVER_NOT_FOUND, {"server_id": "7", "ip": None, "node_id": "2"}),
        "Node 2: Server 7 does not exist.",
        "节点 2：服务器 7 不存在。",
    ),
    (
        Finding(Code.SERVER_OFFLINE, DB07),
        "Server 7 (10.0.0.7, db-07) is out of service.",
        "服务器 7（10.0.0.7，db-07）已下线。",
    ),
    (
        Finding(Code.SERVER_POWERED_OFF, DB07),
        "Server 7 (10.0.0.7, db-07) is powered off.",
        "服务器 7（10.0.0.7，db-07）已关机。",
    ),
    (
        Finding(Code.ACCOUNT_NOT_FOUND, WEB12),
        "Account 'deploy' does not exist on web-12.",
        "账号“deploy”在 web-12 上不存在。",
    ),
    (
        Finding(
            Code.ACCOUNT_NOT_FOUND,
            {"server_id": "3", "server_name": "db-03", "account": "财务"},
        ),
        "Account '财务' does not exist on db-03.",
        "账号“财务”在 db-03 上不存在。",
    ),
    (
        Finding(
            Code.ACCOUNT_NOT_FOUND,
            {"server_id": "12", "server_name": "", "account": "deploy", "reason": "disabled"},
        ),
        "Account 'deploy' is switched off on server 12.",
        "账号“deploy”在 服务器 12 上已停用。",
    ),
    (
        Finding(Code.CREDENTIAL_NOT_FOUND, WEB12 | {"credential_id": "3"}),
        "Credential 3 of 'deploy' on web-12 does not exist.",
        "web-12 上账号“deploy”的凭据 3 不存在。",
    ),
    (
        Finding(Code.CREDENTIAL_NOT_FOUND, WEB12 | {"reason": "unset"}),
        "Account 'deploy' on web-12 has no credential.",
        "web-12 上的账号“deploy”没有凭据。",
    ),
    (
        Finding(
            Code.CREDENTIAL_NOT_FOUND,
            WEB12 | {"credential_id": "3", "reason": "unusable", "node_id": "2"},
        ),
        "Node 2: Credential 3 of 'deploy' on web-12 cannot be used.",
        "节点 2：web-12 上账号“deploy”的凭据 3 不可用。",
    ),
    (
        Finding(Code.OWNER_NOT_FOUND, {"owner_id": "5"}),
        "User 5, the job's owner, does not exist.",
        "任务所有者（用户 5）不存在。",
    ),
    (
        Finding(Code.OWNER_NOT_FOUND, JOB | {"reason": "unset"}),
        "Job 17 (log-backup) has no owner.",
        "任务 17（log-backup）没有所有者。",
    ),
    (
        Finding(Code.OWNER_DISABLED, OWNER),
        "User 5 (wang.fang), the job's owner, is disabled.",
        "任务所有者用户 5（wang.fang）已停用。",
    ),
    (
        Finding(Code.PERMISSION_DENIED, OWNER | ACTION),
        "User 5 (wang.fang), the job's owner, may not use action 9 (Rotate logs).",
        "任务所有者用户 5（wang.fang）没有操作 9（Rotate logs）的权限。",
    ),
    (
        Finding(Code.EVENT_INVALID, {"job_id": "17", "problem": "scheduled_at: it has no zone"}),
        "The trigger cannot be used: scheduled_at: it has no zone.",
        "触发事件无法使用：scheduled_at: it has no zone。",
    ),
    (
        Finding(Code.EVENT_INVALID, JOB | {"reason": "no_canary"}),
        (
            "Job 17 (log-backup) is not marked as a canary (is_canary), so no trigger of kind"
            " 'canary' may run it."
        ),
        "任务 17（log-backup）没有标记为探测任务（is_canary），canary 类型的触发不能运行它。",
    ),
    (
        Finding(Code.EVENT_INVALID, {"reason": "unsigned_replay", "problem": "kind 'replay'"}),
        (
            "The trigger cannot be used: kind 'replay' is for dead letters that are sent again by"
            " the console or the command line, and nothing proves that one of them has sent it."
        ),
        (
            "触发事件无法使用：replay 类型只用于由控制台或命令行重放的死信，"
            "而该消息无法证明由它们发出。"
        ),
    ),
    (
        Finding(Code.PARAMETER_INVALID, {"reason": "refused", "value": 100_190}),
        "The dispatch has 100190 bytes; the broker does not take one of that size.",
        "派发事件有 100190 字节，消息代理不接受这么大的消息。",
    ),
    (
        Finding(
            Code.INVENTORY_INVALID, {"view": "preflight_owner", "column": "x_id", "value": "V3"}
        ),
        (
            "The view preflight_owner says x_id 'V3'; a whole number from 1 to 9223372036854775807"
            " is allowed."
        ),
        ("视图 preflight_owner 中 x_id 的值为 “V3”；只允许 1 到 9223372036854775807 的整数。"),
    ),
    (
        Finding(Code.INVENTORY_INVALID, JOB | _said("job", "preflight_job", "job_type", "script")),
        (
            "Job 17 (log-backup) has job_type 'script' in the view preflight_job; action or"
            " workflow is allowed."
        ),
        (
            "任务 17（log-backup）在视图 preflight_job 中 job_type 的值为 “script”；"
            "只允许 action 或 workflow。"
        ),
    ),
    (
        Finding(Code.INVENTORY_INVALID, DB07 | _said("server", "preflight_server", "rows", "2")),
        "Server 7 (10.0.0.7, db-07) has 2 rows in the view preflight_server; one row is allowed.",
        "服务器 7（10.0.0.7，db-07）在视图 preflight_server 中有 2 行；只允许一行。",
    ),
    (
        Finding(
            Code.INVENTORY_INVALID, DB07 | _said("server", "preflight_server", "state", "Asleep")
        ),
        (
            "Server 7 (10.0.0.7, db-07) has state 'Asleep' in the view preflight_server; on, off,"
            " offline or unknown is allowed."
        ),
        (
            "服务器 7（10.0.0.7，db-07）在视图 preflight_server 中 state 的值为 “Asleep”；"
            "只允许 on、off、offline 或 unknown。"
        ),
    ),
    (
        Finding(
            Code.INVENTORY_INVALID, WEB12 | _said("account", "preflight_account", "enabled", None)
        ),
        (
            "Account 'deploy' on web-12 has enabled null in the view preflight_account; true or"
            " false, yes or no, y or n, on or off, 1 or 0 is allowed."
        ),
        (
            "web-12 上的账号“deploy”在视图 preflight_account 中 enabled 的值为 null；"
            "只允许 true 或 false（也可写作 yes/no、y/n、on/off 或 1/0）。"
        ),
    ),
    (
        Finding(
            Code.INVENTORY_INVALID,
            WEB12
            | {"credential_id": "3"}
            | _said("credential", "preflight_credential", "usable", "maybe"),
        ),
        (
            "Credential 3 of 'deploy' on web-12 has usable 'maybe' in the view"
            " preflight_credential; true or false, yes or no, y or n, on or off, 1 or 0 is allowed."
        ),
        (
            "web-12 上账号“deploy”的凭据 3 在视图 preflight_credential 中 usable 的值为 “maybe”；"
            "只允许 true 或 false（也可写作 yes/no、y/n、on/off 或 1/0）。"
        ),
    ),
    (
        Finding(Code.INVENTORY_INVALID, OWNER | _said("owner", "preflight_owner", "enabled", "2")),
        (
            "User 5 (wang.fang), the job's owner, has enabled '2' in the view preflight_owner;"
            " true or false, yes or no, y or n, on or off, 1 or 0 is allowed."
        ),
        (
            "任务所有者用户 5（wang.fang）在视图 preflight_owner 中 enabled 的值为 “2”；"
            "只允许 true 或 false（也可写作 yes/no、y/n、on/off 或 1/0）。"
        ),
    ),
    (
        Finding(
            Code.INVENTORY_INVALID,
            ACTION | _said("automation", "preflight_automation", "enabled", None),
        ),
        (
            "Action 9 (Rotate logs) has enabled null in the view preflight_automation; true or"
            " false, yes or no, y or n, on or off, 1 or 0 is allowed."
        ),
        (
            "操作 9（Rotate logs）在视图 preflight_automation 中 enabled 的值为 null；"
            "只允许 true 或 false（也可写作 yes/no、y/n、on/off 或 1/0）。"
        ),
    ),
    (
        Finding(
            Code.INVENTORY_INVALID,
            OWNER | ACTION | _said("grant", "preflight_grant", "principal_kind", "role"),
        ),
        (
            "Whether user 5 (wang.fang), the job's owner, may use action 9 (Rotate logs) is not"
            " clear: a row has principal_kind 'role' in the view preflight_grant; user or group is"
            " allowed."
        ),
        (
            "无法确定任务所有者用户 5（wang.fang）能否使用操作 9（Rotate logs）："
            "视图 preflight_grant 中有一行 principal_kind 的值为 “role”；只允许 user 或 group。"
        ),
    ),
    (
        Finding(Code.INTERNAL_ERROR, {"correlation_id": "6f2b7d1c", "check": "owner_may"}),
        "Preflight itself went wrong; its log has the reason under 6f2b7d1c.",
        "前置检查自身出错，原因见日志，关联号 6f2b7d1c。",
    ),
    (
        Finding(
            Code.INTERNAL_ERROR,
            JOB
            | {"reason": "unreadable", "view": "preflight_account", "sqlstate": "22P02"}
            | {"row": "server_id=7, account=财务"},
        ),
        (
            "What job 17 (log-backup) needs cannot be read: the database raises 22P02 for"
            " server_id=7, account=财务 in the view preflight_account."
        ),
        (
            "无法读取任务 17（log-backup）所需的数据："
            "数据库读取视图 preflight_account 的 server_id=7, account=财务 时报错 22P02。"
        ),
    ),
]


@pytest.mark.parametrize(("finding", "english", "chinese"), SAID)
def test_a_finding_is_said_in_english_and_chinese(
    finding: Finding, english: str, chinese: str
) -> None:
    assert sentence(finding, "en") == english
    assert sentence(finding, "zh") == chinese


def test_every_code_and_reason_has_a_hand_written_expectation() -> None:
    expected = {
        key
        for finding, _, _ in SAID
        for key in (finding.code.value, f"{finding.code}.{finding.objects.get('reason')}")
    }
    assert set(en.SENTENCES) <= expected


def test_both_languages_say_the_same_things_of_the_same_objects() -> None:
    assert set(en.SENTENCES) == set(zh.SENTENCES)
    assert set(en.WORDS) == set(zh.WORDS)
    assert set(en.REMEDIES) == set(zh.REMEDIES) == {code.value for code in Code}
    for key, template in en.SENTENCES.items():
        assert _names(template) == _names(zh.SENTENCES[key]), key


def _names(template: str) -> set[str]:
    return {name.lower() for _, name, _, _ in string.Formatter().parse(template) if name}


def test_a_parameter_is_corrected_where_it_can_be() -> None:
    """The console edits no targets of a parameter that it cannot read; the platform does."""
    assert remedy(Code.PARAMETER_INVALID, "en") == (
        "Correct the job's parameter on the platform; where the console can edit its targets, also"
        " there."
    )
    assert remedy(Code.PARAMETER_INVALID, "zh") == (
        "请在平台上改正任务的参数；控制台能够编辑其目标时，也可以在控制台改正。"
    )


def test_each_code_has_a_remedy() -> None:
    assert remedy(Code.SERVER_POWERED_OFF, "en") == "Power the server on, or choose another one."
    assert remedy(Code.SERVER_POWERED_OFF, "zh") == "请将服务器开机，或选择其他服务器。"


def test_a_stored_finding_is_its_code_message_and_objects() -> None:
    assert as_json(Finding(Code.SERVER_POWERED_OFF, DB07 | {"node_id": "2"}, "x"), "en") == {
        "code": "server_powered_off",
        "message": "Node 2: Server 7 (10.0.0.7, db-07) is powered off.",
        "server_id": "7",
        "ip": "10.0.0.7",
        "server_name": "db-07",
        "node_id": "2",
    }


def test_a_stored_finding_can_be_said_in_another_language_later() -> None:
    stored = as_json(Finding(Code.SERVER_POWERED_OFF, DB07), "en")
    assert localize(stored, "zh") == "服务器 7（10.0.0.7，db-07）已关机。"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_cause_is_said_without_the_node_in_whichever_language_it_was_stored(
    language: Language,
) -> None:
    stored = as_json(Finding(Code.SERVER_POWERED_OFF, DB07 | {"node_id": "节点：2"}), language)
    assert of_cause(stored, "en") == "Server 7 (10.0.0.7, db-07) is powered off."
    assert of_cause(stored, "zh") == "服务器 7（10.0.0.7，db-07）已关机。"
    assert of_cause(stored) == of_cause(stored, language)
    whole = as_json(Finding(Code.SERVER_POWERED_OFF, DB07), language)
    assert of_cause(whole) == whole["message"]


def test_a_cause_of_another_version_is_said_without_its_node_too() -> None:
    stored = {"code": "of_later", "message": "Node 2: As it was.", "node_id": "2"}
    assert (of_cause(stored), of_cause(stored, "zh")) == ("As it was.", "As it was.")


def test_a_stored_code_of_another_version_is_shown_as_it_was_stored() -> None:
    stored = {"code": "overlap", "message": "Job 17 is still running."}
    assert localize(stored, "zh") == "Job 17 is still running."
    assert localize({"code": "server_offline", "message": "?"}, "en") == (
        "Server ? is out of service."
    )


def test_names_cannot_break_the_line_or_the_sentence() -> None:
    finding = Finding(
        Code.ACCOUNT_NOT_FOUND,
        {"server_id": "1", "server_name": "{job_id}\n\u202edb", "account": "x" * 500},
    )
    said = sentence(finding, "en")
    assert said == f"Account '{'x' * 119}…' does not exist on {{job_id}}\ufffddb."
    assert shown("a\u2028b") == "a b"


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0, "0 s", "0 秒"),
        (59, "59 s", "59 秒"),
        (60, "1 min", "1 分钟"),
        (3661, "1 h 1 min", "1 小时 1 分钟"),
        (3605, "1 h", "1 小时"),
        (90_000, "1 d 1 h", "1 天 1 小时"),
    ],
)
def test_durations_are_told_in_their_two_largest_units(
    seconds: int, english: str, chinese: str
) -> None:
    finding = Finding(Code.EXPIRED, JOB | LATE | {"lateness_s": seconds})
    assert f"came {english} late" in sentence(finding, "en")
    assert f"已迟到 {chinese}，" in sentence(finding, "zh")


def test_a_few_findings_are_one_text() -> None:
    findings = [Finding(Code.JOB_DISABLED, JOB), Finding(Code.SERVER_POWERED_OFF, DB07)]
    assert summary(findings, "en") == (
        "Job 17 (log-backup) is switched off. Server 7 (10.0.0.7, db-07) is powered off."
    )
    assert summary(findings, "zh") == (
        "任务 17（log-backup）已停用。服务器 7（10.0.0.7，db-07）已关机。"
    )


def test_nothing_found_is_nothing_said() -> None:
    assert summary([], "en") == ""


def dead(count: int) -> list[Finding]:
    return [
        Finding(
            Code.SERVER_POWERED_OFF,
            {"server_id": str(1000 + n), "ip": "10.0.0.7", "server_name": "𠮷野家👩‍👩‍👧"},
        )
        for n in range(count)
    ]


def test_five_hundred_findings_are_whole_sentences_and_a_count_in_a_thousand_characters() -> None:
    said = "Server 1000 (10.0.0.7, 𠮷野家👩‍👩‍👧) is powered off."
    assert len(said) == 48
    text = summary(dead(500), "en")
    # 20 sentences and the blanks between them are 979 characters; the 21st would leave no room.
    assert text.startswith(said + " Server 1001 (")
    assert text.endswith("Server 1019 (10.0.0.7, 𠮷野家👩‍👩‍👧) is powered off. … and 480 more.")
    assert len(text) == 979 + 16
    # 31 characters a sentence; the 32nd would leave 8 for the 11 of the end.
    text = summary(dead(500), "zh")
    assert text.endswith("服务器 1030（10.0.0.7，𠮷野家👩‍👩‍👧）已关机。……还有 469 项。")
    assert len(text) == 31 * 31 + 11


def test_what_was_stored_is_retold_in_another_language() -> None:
    stored = [as_json(finding, "en") for finding in dead(3)]
    assert describe_stored(stored, 500, "zh", 280) == (
        "服务器 1000（10.0.0.7，𠮷野家👩‍👩‍👧）已关机。服务器 1001（10.0.0.7，𠮷野家👩‍👩‍👧）已关机。"
        "服务器 1002（10.0.0.7，𠮷野家👩‍👩‍👧）已关机。……还有 497 项。"
    )
    assert (
        describe_stored([{"code": "of_later", "message": "As it was."}], 1, "zh", 280)
        == "As it was."
    )
    assert describe_stored([{"message": "x" * 300}], 2, "en", 100).endswith("x … and 1 more.")


def test_a_first_sentence_that_does_not_fit_is_cut_between_characters() -> None:
    findings = dead(1)
    assert summary(findings, "en", 28) == "Server 1000 (10.0.0.7, 𠮷野家…"
    assert (
        summary([*findings, *findings], "en", 44) == "Server 1000 (10.0.0.7, 𠮷野家 … and 1 more."
    )
