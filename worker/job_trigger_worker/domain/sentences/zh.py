"""Chinese."""

from __future__ import annotations

SENTENCES = {
    "job_not_found": "任务 {job_id} 不存在。",
    "job_disabled": "任务 {job_id}{job_note}已停用。",
    "expired": "任务 {job_id}{job_note}应于 {due} 触发，已迟到 {lateness}，最多允许 {limit}。",
    "too_early": (
        "任务 {job_id}{job_note}的触发时间为 {due}，提前了 {earliness}，最多只接受提前"
        " {earliness_limit}。"
    ),
    "automation_not_found": "{Kind} {target_id} 不存在。",
    "automation_not_found.disabled": "{Kind} {target_id}{target_note}已停用。",
    "automation_not_found.unset": "任务 {job_id}{job_note}未指定{kind}。",
    "parameter_invalid": "任务的参数无法使用。",
    "parameter_invalid.absent": "任务 {job_id}{job_note}没有参数。",
    "parameter_invalid.too_long": "任务的参数过长，无法发送。",
    "parameter_invalid.too_large": "派发事件将有 {value} 字节，最多可发送 921600 字节。",
    "parameter_invalid.refused": "派发事件有 {value} 字节，消息代理不接受这么大的消息。",
    "parameter_invalid.not_json": "任务 {job_id} 的参数不是有效的 JSON{at_character}。",
    "parameter_invalid.encoded_twice": (
        "任务 {job_id} 的参数被编码为 JSON 两次：是内含对象的文本，而不是对象。"
    ),
    "parameter_invalid.not_object": "任务 {job_id} 的参数{at_path}应为对象，实际为 {value}。",
    "parameter_invalid.not_list": "任务 {job_id} 的参数{at_path}应为列表，实际为 {value}。",
    "parameter_invalid.missing": "任务 {job_id} 的参数{at_path}缺失。",
    "parameter_invalid.not_id": (
        "任务 {job_id} 的参数{at_path}为 {value}，ID 应为 1 到 9223372036854775807 的整数。"
    ),
    "parameter_invalid.not_text": (
        "任务 {job_id} 的参数{at_path}应为不含 NUL 的文本，实际为 {value}。"
    ),
    "parameter_invalid.blank": "任务 {job_id} 的参数{at_path}名称为空。",
    "parameter_invalid.too_long_name": "任务 {job_id} 的参数{at_path}名称超过 1024 个字符。",
    "parameter_invalid.node_twice": "任务 {job_id} 的参数{at_path}重复使用了该节点 ID。",
    "parameter_invalid.server_twice": (
        "任务 {job_id} 的参数{at_path}重复列出了服务器 {server_id} 和账号“{account}”。"
    ),
    "parameter_invalid.more": "任务 {job_id} 的参数还有其他错误。",
    "no_targets": "任务 {job_id}{job_note}未指定服务器。",
    "no_targets.no_nodes": "任务 {job_id}{job_note}未指定节点。",
    "server_not_found": "服务器 {server_id}{server_note}不存在。",
    "server_offline": "服务器 {server_id}{server_note}已下线。",
    "server_powered_off": "服务器 {server_id}{server_note}已关机。",
    "account_not_found": "账号“{account}”在 {place} 上不存在。",
    "account_not_found.disabled": "账号“{account}”在 {place} 上已停用。",
    "credential_not_found": "{place} 上账号“{account}”的凭据 {credential_id} 不存在。",
    "credential_not_found.unset": "{place} 上的账号“{account}”没有凭据。",
    "credential_not_found.unusable": "{place} 上账号“{account}”的凭据 {credential_id} 不可用。",
    "owner_not_found": "任务所有者（用户 {owner_id}）不存在。",
    "owner_not_found.unset": "任务 {job_id}{job_note}没有所有者。",
    "owner_disabled": "任务所有者用户 {owner_id}{owner_note}已停用。",
    "permission_denied": (
        "任务所有者用户 {owner_id}{owner_note}没有{kind} {target_id}{target_note}的权限。"
    ),
    "inventory_invalid": "视图 {view} 中{unclear}；{allowed}。",
    "inventory_invalid.job": ("任务 {job_id}{job_note}在视图 {view} 中{unclear}；{allowed}。"),
    "inventory_invalid.server": (
        "服务器 {server_id}{server_note}在视图 {view} 中{unclear}；{allowed}。"
    ),
    "inventory_invalid.account": (
        "{place} 上的账号“{account}”在视图 {view} 中{unclear}；{allowed}。"
    ),
    "inventory_invalid.credential": (
        "{place} 上账号“{account}”的凭据 {credential_id} 在视图 {view} 中{unclear}；{allowed}。"
    ),
    "inventory_invalid.owner": (
        "任务所有者用户 {owner_id}{owner_note}在视图 {view} 中{unclear}；{allowed}。"
    ),
    "inventory_invalid.automation": (
        "{Kind} {target_id}{target_note}在视图 {view} 中{unclear}；{allowed}。"
    ),
    "inventory_invalid.grant": (
        "无法确定任务所有者用户 {owner_id}{owner_note}能否使用{kind} {target_id}{target_note}："
        "视图 {view} 中有一行{unclear}；{allowed}。"
    ),
    "event_invalid": "触发事件无法使用：{problem}。",
    "event_invalid.no_canary": (
        "任务 {job_id}{job_note}没有标记为探测任务（is_canary），canary 类型的触发不能运行它。"
    ),
    "event_invalid.unsigned_replay": (
        "触发事件无法使用：replay 类型只用于由控制台或命令行重放的死信，"
        "而该消息无法证明由它们发出。"
    ),
    "internal_error.unreadable": (
        "无法读取任务 {job_id}{job_note}所需的数据："
        "数据库读取视图 {view} 的 {row} 时报错 {sqlstate}。"
    ),
    "internal_error": "前置检查自身出错，原因见日志，关联号 {correlation_id}。",
}

REMEDIES = {
    "job_not_found": "请从调度中移除该任务，或将其恢复。",
    "job_disabled": "请启用该任务，或将其移出调度。",
    "expired": "如仍有意义，请立即运行该任务，或放宽允许的延迟。",
    "too_early": "请校正调度器的时钟或其发送的时间；到时再次触发即可运行。",
    "automation_not_found": "请选择其他操作或编排，或将其恢复。",
    "parameter_invalid": "请在平台上改正任务的参数；控制台能够编辑其目标时，也可以在控制台改正。",
    "no_targets": "请编辑任务，为每一步至少选择一台服务器。",
    "server_not_found": "请编辑任务并选择其他服务器。",
    "server_offline": "请将服务器重新上线，或选择其他服务器。",
    "server_powered_off": "请将服务器开机，或选择其他服务器。",
    "account_not_found": "请在服务器上创建或启用该账号，或选择其他账号。",
    "credential_not_found": "请为该账号配置可用的凭据。",
    "owner_not_found": "请为任务指定其他所有者。",
    "owner_disabled": "请启用该用户，或为任务指定其他所有者。",
    "permission_denied": "请授权给所有者或其所在的用户组，或更换所有者。",
    "inventory_invalid": (
        "请让视图给出允许的值；`trigger-worker platform check` 会列出所有取值不符的行。"
    ),
    "event_invalid": "请修正事件的生产者；死信可修改后重放。",
    "internal_error": "请在平台的表中更正所指的行；若未指明，请附上关联号和日志进行反馈。",
}

WORDS = {
    "action": "操作",
    "workflow": "编排",
    "Action": "操作",
    "Workflow": "编排",
    "automation": "操作或编排",
    "server": "服务器 {server_id}",
    "node": "节点 {node_id}：{sentence}",
    "note": "（{words}）",
    "no_note": " ",
    "comma": "，",
    "path": " {path} ",
    "character": "（从第 {position} 个字符起）",
    "value": "“{value}”",
    "null": "null",
    "said": " {column} 的值为 {value}",
    "several": "有 {count} 行",
    "allowed.rows": "只允许一行",
    "allowed.flag": "只允许 true 或 false（也可写作 yes/no、y/n、on/off 或 1/0）",
    "allowed.state": "只允许 on、off、offline 或 unknown",
    "allowed.job_type": "只允许 action 或 workflow",
    "allowed.principal_kind": "只允许 user 或 group",
    "allowed.id": "只允许 1 到 9223372036854775807 的整数",
    "allowed.ids": "只允许由 1 到 9223372036854775807 的整数组成的数组",
    "allowed.number": "只允许 0 或更大的整数",
    "between": "",
    "more": "……还有 {count} 项。",
    "d": "{n} 天",
    "h": "{n} 小时",
    "min": "{n} 分钟",
    "s": "{n} 秒",
}
