"""What the pipeline and the proxy need of a provider's wire shape, without knowing one.

The shapes themselves live in `s4fw.dialects`; a new provider is a new file there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from s4fw.core.usage import Usage
from s4fw.core.verdict import Block
from s4fw.errors import Code

if TYPE_CHECKING:
    from s4fw.core.exchange import Exchange


class Meter(Protocol):
    """Reads the usage out of one answer while it passes; one instance for each exchange.

    `usage` is None until the provider's own account was seen.  `is_complete` says that the answer
    ended as the wire shape says it must ([DONE], a whole JSON document).  `saw_error` that the
    answer itself reported a failure.  `is_implausible` that a usage was there and is no usage.
    """

    usage: Usage | None
    is_complete: bool
    saw_error: bool
    is_implausible: bool

    def feed(self, chunk: bytes) -> bytes:
        """Take body bytes as they arrive; returns what to pass on now, perhaps nothing yet."""

    def end(self) -> bytes:
        """The upstream ended the body: returns what was held back.  Called at most once."""


class Dialect(Protocol):
    """One provider's wire shape; stateless, one instance serves all exchanges."""

    name: str

    def read(self, x: Exchange) -> None:
        """Read the body strictly into `x.request`.  Raises Refusal.  May run in a thread."""

    def meter(
        self, x: Exchange, status: int, is_stream: bool, fields: Mapping[bytes, bytes]
    ) -> Meter | None:
        """The meter of an answer, None where its status carries no usage.  `fields` are the
        answer's header fields, lower-case, values not trimmed."""

    def refusal(self, block: Block, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body of a block, in the envelope this provider's SDKs understand."""

    def error_event(self, x: Exchange, code: Code, message: str) -> bytes:
        """What ends a stream that broke, so that the SDK raises instead of ending silently."""

    def lower_output(self, x: Exchange, tokens: int) -> bool:
        """Ask for at most `tokens` of output for each choice; False where the shape cannot."""

    def rename_model(self, x: Exchange, model: str) -> bool:
        """Ask another model of the same shape; False where the shape cannot."""


@dataclass(frozen=True, slots=True)
class Route:
    """One governed path.  A route that is not metered passes without a quote and a reservation."""

    name: str
    dialect: Dialect
    is_metered: bool
    upstream_path: bytes  # where it goes below the upstream's base URL
    provider: str  # whose prices hold, and the upstream where no rule names another
    model: str = ""  # of shapes that name the model in the path
