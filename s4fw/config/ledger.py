"""`ledger`: a line for each exchange, chained and signed, kept in files and in S3."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import ValidationInfo, model_validator

from s4fw.config.document import Scalar
from s4fw.config.forms import Choice, Duration, Flag, Size, Text
from s4fw.config.paths import Directory
from s4fw.config.section import Section, setting

# docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_PREFIX = r"(?:[A-Za-z0-9!_.*'()=-]+/)*[A-Za-z0-9!_.*'()=-]+/?"
_REGION = r"[a-z]{2}(?:-[a-z]+)+-[0-9]"
_KMS = r"[A-Za-z0-9:/_-]{1,2048}"

Name = Annotated[str, Choice("plain", "hash", "omit")]


class File(Directory):
    """A file, as `{file: ...}` names it."""

    words = "the name of a file"


class KeyFile(Section):
    """Where a key is kept; relative names start at the configuration file."""

    file: Annotated[Path, File()] = setting("The file, in PEM.")

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, data: Any, info: ValidationInfo) -> Any:
        return _at_base(data, "file", info)


class LedgerFields(Section):
    """How names are written that callers choose. A hash is keyed with `labels.key` of the state
    directory and always the same, so sums by it are right; `omit` leaves the name out."""

    agent: Name = setting("The agent.", "hash")
    session: Name = setting("The session.", "plain")
    customer: Name = setting("The customer.", "plain")
    tools: Annotated[str, Choice("plain", "hash", "count")] = setting(
        "The tools that a request offers: their names, keyed hashes of them, or only how many.",
        "count",
    )


class LedgerS3(Section):
    """Where closed segments are put, each under its own name and once. Needs s3:PutObject on the
    prefix and nothing else; credentials are found as by any AWS SDK."""

    bucket: Annotated[str, Text(_BUCKET, "the name of an S3 bucket")] = setting("The bucket.")
    prefix: Annotated[str, Text(_PREFIX, "a prefix of object names, as s4fw/ledger")] = setting(
        "What the names of its objects begin with.", "s4fw/ledger"
    )
    region: Annotated[str, Text(_REGION, "an AWS region, as us-east-1")] | None = setting(
        "The bucket's region. Where left out, as the AWS SDK finds it.", None
    )
    kms_key_id: Annotated[str, Text(_KMS, "the id or ARN of a KMS key")] | None = setting(
        "The KMS key that objects are encrypted with. Where left out, the bucket's own setting.",
        None,
    )

    def key_of(self, chain_id: str, name: str) -> str:
        """The name of a segment's object."""
        return f"{self.prefix.rstrip('/')}/{chain_id}/{name}"


class Ledger(Section):
    """A line for each exchange, block and correction, chained and signed. Counts and names, never
    content; see docs/reference/ledger.md."""

    enabled: Annotated[bool, Flag()] = setting("Whether a ledger is written.", "false")
    dir: Annotated[Path, Directory()] | None = setting(
        "Its directory, relative to the configuration file. Where left out: `ledger` in the state"
        " directory.",
        None,
    )
    fields: LedgerFields = setting("How names are written.", {})
    max_bytes: Annotated[int, Size("64KiB", "1024GiB")] = setting(
        "How much the directory may hold. Segments that are stored in S3 make room first.", "1GiB"
    )
    when_full: Annotated[str, Choice("refuse", "drop")] = setting(
        "When it is full, or its disk: refuse requests (503 firewall_unavailable) that could not be"
        " recorded, or let them pass and write down how many are missing.",
        "refuse",
    )
    rotate_s: Annotated[float, Duration("1s", "24h")] = setting(
        "How old a segment may become before it is sealed, packed and sent.", "5m", key="rotate"
    )
    key: KeyFile | None = setting(
        "The Ed25519 private key that signs segments. Where left out, one is made: `ledger.key` in"
        " the state directory.",
        None,
    )
    s3: LedgerS3 | None = setting("Where closed segments are stored, too.", None)

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, data: Any, info: ValidationInfo) -> Any:
        return _at_base(data, "dir", info)

    def directory(self, state: Path) -> Path:
        """Where it lies, given the state directory."""
        return self.dir or state / "ledger"

    def key_path(self, state: Path) -> Path:
        return self.key.file if self.key is not None else state / "ledger.key"

    @property
    def is_strict(self) -> bool:
        """Whether a request is refused when its row would have no room."""
        return self.enabled and self.when_full == "refuse"


def _at_base(data: Any, name: str, info: ValidationInfo) -> Any:
    """The section with a relative name made absolute."""
    if not isinstance(data, dict):
        return data
    value = data.get(name)
    text = value.text if isinstance(value, Scalar) else value
    if not isinstance(text, str) or not text:
        return data
    return {**data, name: str(((info.context or {}).get("directory", Path()) / text).absolute())}
