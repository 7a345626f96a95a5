"""English."""

from __future__ import annotations

SENTENCES = {
    "job_not_found": "Job {job_id} does not exist.",
    "job_disabled": "Job {job_id}{job_note} is switched off.",
    "expired": (
        "Job {job_id}{job_note} was due at {due} and came {lateness} late; at most {limit} is"
        " allowed."
    ),
    "too_early": (
        "Job {job_id}{job_note} was triggered for {due}, {earliness} ahead of its slot; at most"
        " {earliness_limit} is believed."
    ),
    "automation_not_found": "{Kind} {target_id} does not exist.",
    "automation_not_found.disabled": "{Kind} {target_id}{target_note} is switched off.",
    "automation_not_found.unset": "Job {job_id}{job_note} names no {kind}.",
    "parameter_invalid": "The job's parameter cannot be used.",
    "parameter_invalid.absent": "Job {job_id}{job_note} has no parameter.",
    "parameter_invalid.too_long": "The job's parameter is too long to be sent.",
    "parameter_invalid.too_large": (
        "The dispatch would have {value} bytes; at most 921600 are sent."
    ),
    "parameter_invalid.refused": (
        "The dispatch has {value} bytes; the broker does not take one of that size."
    ),
    "parameter_invalid.not_json": "The parameter of job {job_id} is not valid JSON{at_character}.",
    "parameter_invalid.encoded_twice": (
        "The parameter of job {job_id} is JSON that was encoded twice: a text with an object in it."
    ),
    "parameter_invalid.not_object": (
        "The parameter of job {job_id} must hold an object{at_path}, not {value}."
    ),
    "parameter_invalid.not_list": (
        "The parameter of job {job_id} must hold a list{at_path}, not {value}."
    ),
    "parameter_invalid.missing": "The parameter of job {job_id} has nothing{at_path}.",
    "parameter_invalid.not_id": (
        "The parameter of job {job_id} has {value}{at_path}; an id is a whole number from 1 to"
        " 9223372036854775807."
    ),
    "parameter_invalid.not_text": (
        "The parameter of job {job_id} must hold a text without NUL{at_path}, not {value}."
    ),
    "parameter_invalid.blank": "The parameter of job {job_id} has a blank name{at_path}.",
    "parameter_invalid.too_long_name": (
        "The parameter of job {job_id} has a name of more than 1024 characters{at_path}."
    ),
    "parameter_invalid.node_twice": (
        "The parameter of job {job_id} uses this node id a second time{at_path}."
    ),
    "parameter_invalid.server_twice": (
        "The parameter of job {job_id} lists server {server_id} with account '{account}' a second"
        " time{at_path}."
    ),
    "parameter_invalid.more": "The parameter of job {job_id} has further faults.",
    "no_targets": "Job {job_id}{job_note} names no server.",
    "no_targets.no_nodes": "Job {job_id}{job_note} names no node.",
    "server_not_found": "Server {server_id}{server_note} does not exist.",
    "server_offline": "Server {server_id}{server_note} is out of service.",
    "server_powered_off": "Server {server_id}{server_note} is powered off.",
    "account_not_found": "Account '{account}' does not exist on {place}.",
    "account_not_found.disabled": "Account '{account}' is switched off on {place}.",
    "credential_not_found": "Credential {credential_id} of '{account}' on {place} does not exist.",
    "credential_not_found.unset": "Account '{account}' on {place} has no credential.",
    "credential_not_found.unusable": (
        "Credential {credential_id} of '{account}' on {place} cannot be used."
    ),
    "owner_not_found": "User {owner_id}, the job's owner, does not exist.",
    "owner_not_found.unset": "Job {job_id}{job_note} has no owner.",
    "owner_disabled": "User {owner_id}{owner_note}, the job's owner, is disabled.",
    "permission_denied": (
        "User {owner_id}{owner_note}, the job's owner, may not use {kind} {target_id}{target_note}."
    ),
    "inventory_invalid": "The view {view} says {unclear}; {allowed}.",
    "inventory_invalid.job": (
        "Job {job_id}{job_note} has {unclear} in the view {view}; {allowed}."
    ),
    "inventory_invalid.server": (
        "Server {server_id}{server_note} has {unclear} in the view {view}; {allowed}."
    ),
    "inventory_invalid.account": (
        "Account '{account}' on {place} has {unclear} in the view {view}; {allowed}."
    ),
    "inventory_invalid.credential": (
        "Credential {credential_id} of '{account}' on {place} has {unclear} in the view"
        " {view}; {allowed}."
    ),
    "inventory_invalid.owner": (
        "User {owner_id}{owner_note}, the job's owner, has {unclear} in the view {view}; {allowed}."
    ),
    "inventory_invalid.automation": (
        "{Kind} {target_id}{target_note} has {unclear} in the view {view}; {allowed}."
    ),
    "inventory_invalid.grant": (
        "Whether user {owner_id}{owner_note}, the job's owner, may use {kind}"
        " {target_id}{target_note} is not clear: a row has {unclear} in the view {view};"
        " {allowed}."
    ),
    "event_invalid": "The trigger cannot be used: {problem}.",
    "event_invalid.no_canary": (
        "Job {job_id}{job_note} is not marked as a canary (is_canary), so no trigger of kind"
        " 'canary' may run it."
    ),
    "event_invalid.unsigned_replay": (
        "The trigger cannot be used: kind 'replay' is for dead letters that are sent again by the"
        " console or the command line, and nothing proves that one of them has sent it."
    ),
    "internal_error.unreadable": (
        "What job {job_id}{job_note} needs cannot be read: the database raises {sqlstate} for"
        " {row} in the view {view}."
    ),
    "internal_error": "Preflight itself went wrong; its log has the reason under {correlation_id}.",
}

REMEDIES = {
    "job_not_found": "Remove the job from the scheduler, or restore it.",
    "job_disabled": "Switch the job on, or take it off the schedule.",
    "expired": "Run the job now if it still makes sense, or allow it to start later.",
    "too_early": (
        "Correct the clock of the scheduler, or the time that it sent; the trigger runs when it"
        " comes again at its time."
    ),
    "automation_not_found": "Choose another action or workflow, or restore this one.",
    "parameter_invalid": (
        "Correct the job's parameter on the platform; where the console can edit its targets, also"
        " there."
    ),
    "no_targets": "Edit the job and choose at least one server for each step.",
    "server_not_found": "Edit the job and choose another server.",
    "server_offline": "Put the server back into service, or choose another one.",
    "server_powered_off": "Power the server on, or choose another one.",
    "account_not_found": "Create or enable the account on the server, or choose another one.",
    "credential_not_found": "Give the account a credential that works.",
    "owner_not_found": "Give the job another owner.",
    "owner_disabled": "Enable the user, or give the job another owner.",
    "permission_denied": "Grant it to the owner or one of their groups, or change the owner.",
    "inventory_invalid": (
        "Let the view return one of the allowed values; `trigger-worker platform check` names "
        "every row that says another one."
    ),
    "event_invalid": "Correct the producer; the dead letter can be edited and replayed.",
    "internal_error": (
        "Correct the row that is named, in the platform's tables; where none is, report the"
        " correlation id with its log lines."
    ),
}

WORDS = {
    "action": "action",
    "workflow": "workflow",
    "Action": "Action",
    "Workflow": "Workflow",
    "automation": "action or workflow",
    "server": "server {server_id}",
    "node": "Node {node_id}: {sentence}",
    "note": " ({words})",
    "no_note": "",
    "comma": ", ",
    "path": " at {path}",
    "character": ", from character {position} on",
    "value": "'{value}'",
    "null": "null",
    "said": "{column} {value}",
    "several": "{count} rows",
    "allowed.rows": "one row is allowed",
    "allowed.flag": "true or false, yes or no, y or n, on or off, 1 or 0 is allowed",
    "allowed.state": "on, off, offline or unknown is allowed",
    "allowed.job_type": "action or workflow is allowed",
    "allowed.principal_kind": "user or group is allowed",
    "allowed.id": "a whole number from 1 to 9223372036854775807 is allowed",
    "allowed.ids": "an array of whole numbers from 1 to 9223372036854775807 is allowed",
    "allowed.number": "a whole number, 0 or more, is allowed",
    "between": " ",
    "more": "… and {count} more.",
    "d": "{n} d",
    "h": "{n} h",
    "min": "{n} min",
    "s": "{n} s",
}
