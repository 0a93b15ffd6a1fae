"""The written forms of values: how each is read, shown and described, in one place.

A field of the schema is annotated with its form, `Annotated[int, Size("1KiB", "256MiB")]`; from it
come the reading with its error sentences, the effective configuration as `check --print` shows it,
the JSON Schema and the documentation.  A form raises ValueError with the rest of a sentence whose
subject is the field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from s4fw.config.document import Scalar
from s4fw.units import NUSD_MAX, scaled_decimal

EMPTY = "is empty; give it a value or remove the line"
BROKEN = "cannot be read"  # its problem is already told

# What attribution values look like everywhere: one rule for keys, tenants, models and the rest.
VALUE = r"[A-Za-z0-9._:@/-]{1,128}"
ID = r"[a-z0-9][a-z0-9-]{0,63}"

VARIABLE_SCHEMA = {"type": "string", "pattern": r"\$\{[A-Za-z_]"}


class Form:
    """How one kind of value is written.  `words` completes "must be ..."."""

    words: str
    schema: dict[str, Any]

    def read(self, scalar: Scalar) -> Any:
        """Give the value of a scalar.  Raises ValueError."""
        raise NotImplementedError

    def show(self, value: Any) -> Any:
        """Write a value as it could stand in the file."""
        return value

    def refused(self) -> ValueError:
        """The plain answer to what has not this form."""
        return ValueError(f"must be {self.words}")

    def refuse_quotes(self, scalar: Scalar) -> None:
        """Quotes make text of a number or a flag, except around a variable."""
        if scalar.is_quoted and not scalar.is_variable:
            raise ValueError(f"stands in quotes, but {self.refused()}")

    def _validate(self, value: Any) -> Any:
        if not isinstance(value, Scalar):
            if isinstance(value, (dict, list)):
                raise self.refused()
            value = Scalar(str(value).lower() if isinstance(value, bool) else str(value))
        if value.is_null:
            raise ValueError(EMPTY)
        if value.is_broken:
            raise ValueError(BROKEN)
        return self.read(value)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(self.show),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        if self.schema == {"type": "string"}:
            return dict(self.schema)
        # A variable may stand anywhere; what it holds, only `s4fw check` sees.
        return {"anyOf": [*self.schema.get("anyOf", [self.schema]), VARIABLE_SCHEMA]}


class Text(Form):
    """Text of a fixed shape; unquoted `123` is the text 123."""

    def __init__(self, pattern: str, words: str) -> None:
        self.words = words
        self.schema = {"type": "string", "pattern": f"^(?:{pattern})$"}
        self._pattern = re.compile(pattern)

    def read(self, scalar: Scalar) -> str:
        if self._pattern.fullmatch(scalar.text) is None:
            raise self.refused()
        return scalar.text


class Choice(Form):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.choices = words
        self.words = ("one of " if len(words) > 1 else "") + ", ".join(words)
        self.schema = {"enum": list(words)}

    def read(self, scalar: Scalar) -> str:
        if scalar.text not in self.choices:
            raise self.refused()
        return scalar.text


class Flag(Form):
    """true or false; YAML 1.1's yes, no, on and off are refused: too many read them as text."""

    words = "true or false"
    schema = {"type": "boolean"}

    def read(self, scalar: Scalar) -> bool:
        if scalar.text not in ("true", "false"):
            raise self.refused()
        self.refuse_quotes(scalar)
        return scalar.text == "true"


class Whole(Form):
    """A whole number between two bounds."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        self.words = f"a whole number from {low} to {high}"
        self.schema = {"type": "integer", "minimum": low, "maximum": high}

    def read(self, scalar: Scalar) -> int:
        if re.fullmatch(r"-?(0|[1-9][0-9]{0,18})", scalar.text) is None:
            raise self.refused()
        self.refuse_quotes(scalar)
        number = int(scalar.text)
        if not self.low <= number <= self.high:
            raise ValueError(f"is {number}, but {self.refused()}")
        return number


class Auto(Whole):
    """A whole number, or the word auto for what the machine has."""

    def __init__(self, low: int, high: int, measure: Callable[[], int]) -> None:
        super().__init__(low, high)
        self._measure = measure
        self.words = f"auto, or {self.words}"
        self.schema = {"anyOf": [{"const": "auto"}, self.schema]}

    def read(self, scalar: Scalar) -> int:
        if scalar.text == "auto":
            return min(self._measure(), self.high)
        return super().read(scalar)


class _Scaled(Form):
    """A whole number with a unit behind it, between two bounds that are written the same way."""

    units: dict[str, int]
    unit_pattern: str
    example: str
    noun: str

    def __init__(self, low: str, high: str) -> None:
        self.low, self.high = self._parse(low), self._parse(high)
        self.words = f"a {self.noun} such as {self.example}, from {low} to {high}"
        pattern = f"^{self.unit_pattern}$"
        self.schema = {"type": "string", "pattern": pattern}

    def _parse(self, text: str) -> int:
        match = re.fullmatch(self.unit_pattern, text)
        if match is None:
            raise ValueError(f"must be {self.words}")
        return int(match[1]) * self.units[match[2] or ""]

    def _bounded(self, scalar: Scalar) -> int:
        amount = self._parse(scalar.text)
        if not self.low <= amount <= self.high:
            raise ValueError(f"is {scalar.text}, but {self.refused()}")
        return amount

    def _written(self, amount: int) -> str:
        if amount == 0:
            return self.zero
        unit = max(
            (u for u, factor in self.units.items() if amount % factor == 0),
            key=lambda u: self.units[u],
        )
        return f"{amount // self.units[unit]}{unit}"

    zero = "0"


class Size(_Scaled):
    """Bytes, written 4096, 32KiB, 32MiB or 1GiB."""

    units = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
    unit_pattern = r"(0|[1-9][0-9]{0,11})(|KiB|MiB|GiB)"
    example = "32MiB or 4096"
    noun = "size"

    def __init__(self, low: str, high: str) -> None:
        super().__init__(low, high)
        self.schema = {"anyOf": [{"type": "integer", "minimum": self.low}, self.schema]}

    def read(self, scalar: Scalar) -> int:
        return self._bounded(scalar)

    def show(self, value: int) -> int | str:
        written = self._written(value)
        return int(written) if written.isdigit() else written


class Duration(_Scaled):
    """Time, written 500ms, 10s, 5m, 24h or 7d; always with its unit.  Seconds, as a float."""

    units = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
    unit_pattern = r"(0|[1-9][0-9]{0,11})(ms|s|m|h|d)"
    example = "10s, 500ms or 24h"
    noun = "duration"
    zero = "0s"

    def read(self, scalar: Scalar) -> float:
        return self._bounded(scalar) / 1000

    def show(self, value: float) -> str:
        return self._written(round(value * 1000))


class WholeSeconds(Duration):
    """A long duration, as a whole number of seconds."""

    def read(self, scalar: Scalar) -> int:
        amount_ms = self._bounded(scalar)
        if amount_ms % 1000:
            raise ValueError("must be whole seconds")
        return amount_ms // 1000


class Plain(str):
    """A decimal number as text, to be written into YAML without quotes."""


class Decimal(Form):
    """A number read from its text, as an integer of 10**-places; quoted or not is the same."""

    def __init__(self, places: int, low: int, high: int, words: str) -> None:
        self.places, self.low, self.high = places, low, high
        self.scale = int(10**places)
        self.words = words
        text = {"type": "string", "pattern": rf"^[0-9]{{1,12}}(?:\.[0-9]{{1,{places}}})?$"}
        self.schema = {"anyOf": [{"type": "number", "minimum": 0}, text]}

    def read(self, scalar: Scalar) -> int:
        try:
            amount = scaled_decimal(scalar.text, self.places)
        except ValueError:
            raise self.refused() from None
        if not self.low <= amount <= self.high:
            raise self.refused()
        return amount

    def show(self, value: int) -> int | Plain:
        whole, fraction = divmod(value, self.scale)
        if not fraction:
            return whole
        return Plain(f"{whole}." + f"{fraction:0{self.places}d}".rstrip("0"))


def usd() -> Decimal:
    """Dollars of a limit, as nano-USD."""
    words = "US dollars above 0, as 20000 or 0.05, with at most 9 decimals, up to 4611686018"
    return Decimal(9, 1, NUSD_MAX, words)


def usd_per_mtok() -> Decimal:
    """A rate, as pico-USD per token."""
    words = "US dollars per million tokens, as 2.50, with at most 6 decimals, up to 1000000"
    return Decimal(6, 0, 10**12, words)


def permille() -> Decimal:
    """A part of the whole, as an integer per thousand."""
    return Decimal(3, 1, 999, "above 0 and below 1, with at most 3 decimals, as 0.8")
