"""Reads what the items of a chat, and those of a responses input, say."""

from __future__ import annotations

from typing import Any, Final

from s4fw.core.transcript import Item
from s4fw.dialects.said import mark_of_part, text_of, written

_SYSTEM: Final = ("system", "developer")


def of_message(message: Any) -> Item:
    """One message of a chat."""
    if type(message) is not dict:
        return Item(False, "")
    role = message.get("role")
    text = text_of(message.get("content"))
    if role != "assistant":
        ids = message.get("tool_call_id")
        return Item(False, text, (), ids if type(ids) is str else "", role in _SYSTEM)
    refusal = message.get("refusal")
    if not text and type(refusal) is str:
        text = refusal
    calls: list[tuple[str, str]] = []
    ids = ""
    tool_calls = message.get("tool_calls")
    if type(tool_calls) is list:
        for call in tool_calls:
            if type(call) is dict:
                calls.append(_of_call(call))
                ids += str(call.get("id"))
    legacy = message.get("function_call")
    if type(legacy) is dict:
        calls.append((str(legacy.get("name")), written(legacy.get("arguments"))))
    return Item(True, text, calls, ids)


def _of_call(call: dict[str, Any]) -> tuple[str, str]:
    what = call.get("function")
    if type(what) is dict:
        return str(what.get("name")), written(what.get("arguments"))
    what = call.get("custom")
    if type(what) is dict:
        return str(what.get("name")), written(what.get("input"))
    return str(call.get("type")), mark_of_part(call)


def of_item(item: Any) -> Item:
    """One item of a responses input: a message, a call, its output, reasoning; or a text alone."""
    if type(item) is not dict:
        return Item(False, item if type(item) is str else "")
    kind = item.get("type")
    role = item.get("role")
    if kind == "message" or (kind is None and role is not None):
        text = text_of(item.get("content"))
        if role == "assistant":
            return Item(True, text, (), str(item.get("id") or ""))
        return Item(False, text, (), "", role in _SYSTEM)
    ids = str(item.get("call_id") or item.get("id") or "")
    if type(kind) is not str:
        return Item(False, mark_of_part(item), (), ids)
    if kind == "reasoning":  # drawn anew each time: it says nothing of what was done
        return Item(True, "", (), ids)
    if kind.endswith("_output"):
        return Item(False, text_of(item.get("output")), (), ids)
    if kind.endswith("_call"):
        return Item(True, "", [_of_item_call(item, kind)], ids)
    return Item(False, mark_of_part(item), (), ids)


def _of_item_call(item: dict[str, Any], kind: str) -> tuple[str, str]:
    """A call with its name, or of a tool that the model knows by its kind."""
    name = item.get("name")
    for member in ("arguments", "input", "action", "operation"):
        value = item.get(member)
        if value is not None:
            return str(name if type(name) is str else kind), written(value)
    return str(name if type(name) is str else kind), ""
