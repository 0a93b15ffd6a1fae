"""Who pays for an exchange: one value for each dimension, as text.

`DIMENSIONS` is the order of the value ids everywhere: in the counter table, in journal rows and in
`Attribution.ids`.  Its order is part of the table's layout: append only.
"""

from __future__ import annotations

from typing import Final

DIMENSIONS: Final = (
    "key", "tenant", "feature", "customer", "agent", "session", "model", "provider",
)  # fmt: skip
DIMENSION_INDEX: Final = {name: index for index, name in enumerate(DIMENSIONS)}

UNATTRIBUTED: Final = "unattributed"
OTHER: Final = "other"

# Dimensions that always have a value; a budget on one of the others applies only where it is given.
DEFAULTED: Final = ("tenant", "feature", "customer")

VALUE_BYTES_MAX: Final = 128


class Attribution:
    """The values of one caller's exchanges, in the order of DIMENSIONS; None where not given.

    Instances are shared between exchanges and never changed, so that what is resolved from one
    (value ids, budget cells) can be remembered by identity.
    """

    __slots__ = ("_hash", "values")

    def __init__(self, values: tuple[str | None, ...]) -> None:
        assert len(values) == len(DIMENSIONS)
        self.values = values
        self._hash = hash(values)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Attribution) and self.values == other.values)

    def __repr__(self) -> str:
        given = (f"{n}={v}" for n, v in zip(DIMENSIONS, self.values, strict=True) if v is not None)
        return f"<Attribution {' '.join(given)}>"

    def get(self, dimension: str) -> str | None:
        """The value of one dimension by its name, None where it is not given."""
        return self.values[DIMENSION_INDEX[dimension]]
