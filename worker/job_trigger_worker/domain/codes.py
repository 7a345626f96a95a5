"""The closed list of reasons why a trigger fails (design 7.1)."""

from __future__ import annotations

from enum import StrEnum


class FailureCode(StrEnum):
    """One reason; the order is the order of the checks, so the first finding is the cause."""

    JOB_NOT_FOUND = "job_not_found"
    JOB_DISABLED = "job_disabled"
    EXPIRED = "expired"
    TOO_EARLY = "too_early"
    AUTOMATION_NOT_FOUND = "automation_not_found"
    PARAMETER_INVALID = "parameter_invalid"
    NO_TARGETS = "no_targets"
    SERVER_NOT_FOUND = "server_not_found"
    SERVER_OFFLINE = "server_offline"
    SERVER_POWERED_OFF = "server_powered_off"
    ACCOUNT_NOT_FOUND = "account_not_found"
    CREDENTIAL_NOT_FOUND = "credential_not_found"
    OWNER_NOT_FOUND = "owner_not_found"
    OWNER_DISABLED = "owner_disabled"
    PERMISSION_DENIED = "permission_denied"
    INVENTORY_INVALID = "inventory_invalid"
    EVENT_INVALID = "event_invalid"
    INTERNAL_ERROR = "internal_error"
