"""Bedrock's prices, which differ by region and by geography.

The shipped data names a row by a model's id (`amazon.nova-pro-v1:0`), with a geography before it
where requests may run in several regions (`eu.amazon.nova-pro-v1:0`), and once more for single
regions that have rates of their own (`bedrock/eu-west-2/...`).  Newer models cost a tenth more with
a geography other than `global`, some differ more, so no row stands for another that might be
dearer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from s4fw.pricing.row import DEFAULT, PriceRow

GEOGRAPHIES = frozenset({"us", "eu", "apac", "au", "ca", "global", "in", "jp", "us-gov"})
_REGIONAL = "bedrock/"


class BedrockRows:
    """The shipped rows of Bedrock, by every name a caller may use."""

    __slots__ = ("_by_form", "_by_region", "_exact", "_surcharging")

    def __init__(self, shipped: Mapping[str, PriceRow]) -> None:
        self._exact: dict[str, PriceRow] = {}
        self._by_region: dict[str, dict[str, PriceRow]] = {}  # id -> region -> row
        self._by_form: dict[str, dict[str, PriceRow]] = {}  # id without geography -> geography
        for name, row in shipped.items():
            if row.provider == "bedrock":
                self._add(name, row)
        self._surcharging = {
            base.partition(".")[0]
            for base, forms in self._by_form.items()
            if len({_height(row) for row in forms.values()}) > 1
        }

    def _add(self, name: str, row: PriceRow) -> None:
        if not name.startswith(_REGIONAL):
            geography, base = split(name)
            self._exact[name] = row
            self._by_form.setdefault(base, {})[geography] = row
            return
        # Other rows of that kind, such as `bedrock/invoke/...`, name no region and are not asked.
        region, _, model = name.removeprefix(_REGIONAL).rpartition("/")
        if region.count("-") >= 2:
            self._by_region.setdefault(model, {})[region] = row

    def row(self, model: str, region: str | None) -> PriceRow | None:
        """The rates of a model in a region; where the region is not known, the dearest there are.

        A geography without a row of its own has the dearest row of the model.  Where only the
        plain id has a row, that one holds if no geography of any model of the vendor costs more.
        """
        regional = self._by_region.get(model, {})
        exact = self._exact.get(model)
        if exact is not None:
            if region is None:
                return _dearest([exact, *regional.values()])
            return regional.get(region, exact)
        geography, base = split(model)
        if not geography:
            return regional.get(region) if region else None
        forms = self._by_form.get(base, {})
        is_plain_only = not forms.keys() - {"", "global"} and geography != "global"
        if is_plain_only and base.partition(".")[0] in self._surcharging:
            return None
        regional = self._by_region.get(base, {})
        return _dearest([*forms.values(), *regional.values()])


def split(model: str) -> tuple[str, str]:
    """The geography of an id, empty where it has none, and the id without it."""
    geography, _, base = model.partition(".")
    return (geography, base) if geography in GEOGRAPHIES and "." in base else ("", model)


def _height(row: PriceRow) -> tuple[int, int]:
    """What rows of one model are compared by: the output rate, then the input rate."""
    rates = row.rates()[DEFAULT][0][1]  # at the largest input
    return rates.output, rates.input


def _dearest(rows: Iterable[PriceRow]) -> PriceRow | None:
    return max(rows, key=_height, default=None)
