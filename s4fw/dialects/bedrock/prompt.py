"""Adds a prompt in Converse's shape to what is counted: Nova's native body has the same one."""

from __future__ import annotations

from typing import Final

from s4fw.core.request import Measure, Request, Run
from s4fw.dialects import fields
from s4fw.dialects.bedrock import content, families
from s4fw.dialects.strictjson import Document

MESSAGES: Final = "messages"
SYSTEM: Final = "system"


def add_messages(request: Request, document: Document) -> None:
    """Add the messages, one by one; their run is the last then.  Raises Refusal."""
    image_tokens, opaque_tokens = families.image_tokens(request.model), request.opaque_file_tokens
    tag = b"bm%d" % image_tokens
    if opaque_tokens is not None:
        tag = b"%b+%d" % (tag, opaque_tokens)
    measure = content.message_measure(image_tokens, opaque_tokens)
    _add_run(request, document, MESSAGES, tag, measure)


def add_system(request: Request, document: Document) -> None:
    """Add the blocks of the system prompt.  Raises Refusal."""
    image_tokens = families.image_tokens(request.model)
    _add_run(request, document, SYSTEM, b"bs%d" % image_tokens, content.block_measure(image_tokens))


def _add_run(request: Request, document: Document, name: str, tag: bytes, measure: Measure) -> None:
    fields.require_list(document, name)
    spans, digests = document.items(name)
    request.runs = [*request.runs, Run(tag, spans, digests, measure, document.long_strings)]
