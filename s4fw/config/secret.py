"""Secrets of the configuration: given as text or by the name of a file, shown to nobody."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SecretStr, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from s4fw.config.document import Scalar
from s4fw.config.forms import BROKEN, EMPTY

MASK = "********"
FILE_BYTES_MAX = 8192  # a secret travels in one header; servers take 8 KiB of them and less
_OTHERS_MAY = 0o007
_SENT = re.compile(r"[!-~]+")  # it becomes part of a header: printable ASCII, no spaces


class FileSecret(SecretStr):
    """One that was read from a file.  `is_open`: not only its owner and group can read or write
    that."""

    def __init__(self, text: str, path: str, is_open: bool) -> None:
        super().__init__(text)
        self.path = path
        self.is_open = is_open


class Secret:
    """The form of a secret: text, or `{file: path}` with a path relative to the configuration."""

    def __init__(self, characters_min: int = 1) -> None:
        self._characters_min = characters_min
        self.words = "text, or `{file: path}`"
        if characters_min > 1:
            self.words += f", with at least {characters_min} characters"

    def _validate(self, value: Any, info: ValidationInfo) -> SecretStr:
        if isinstance(value, SecretStr):
            return value
        if isinstance(value, dict):
            secret = self._file(value, (info.context or {}).get("directory", Path()))
        elif isinstance(value, (Scalar, str)):
            secret = SecretStr(_text(value))
        else:
            raise ValueError(f"must be {self.words}")
        text = secret.get_secret_value()
        if not text:
            raise ValueError("is empty")
        if len(text) > FILE_BYTES_MAX or _SENT.fullmatch(text) is None:
            raise ValueError("must be one word of printable ASCII characters without spaces")
        if len(text) < self._characters_min:
            raise ValueError(f"must have at least {self._characters_min} characters")
        return secret

    def _file(self, value: dict[str, Any], directory: Path) -> SecretStr:
        if set(value) != {"file"} or not isinstance(value["file"], (Scalar, str)):
            raise ValueError(f"must be {self.words}")
        name = _text(value["file"])
        if not name or "\0" in name:
            raise ValueError("names no file")
        path = directory / name
        try:
            with open(path, "rb") as file:
                raw = file.read(FILE_BYTES_MAX + 1)
                mode = os.fstat(file.fileno()).st_mode
        except OSError as error:
            raise ValueError(f"names a file that cannot be read: {error.strerror}") from None
        if len(raw) > FILE_BYTES_MAX:
            raise ValueError(f"names a file of more than {FILE_BYTES_MAX} bytes")
        return FileSecret(raw.decode("latin-1").strip(), str(path), bool(mode & _OTHERS_MAY))

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: MASK),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        by_file = {
            "type": "object",
            "properties": {"file": {"type": "string"}},
            "required": ["file"],
            "additionalProperties": False,
        }
        return {"anyOf": [{"type": "string", "minLength": 1}, by_file]}


def _text(value: Scalar | str) -> str:
    if isinstance(value, str):
        return value
    if value.is_null:
        raise ValueError(EMPTY)
    if value.is_broken:
        raise ValueError(BROKEN)
    return value.text
