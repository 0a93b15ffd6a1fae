"""docs/reference/metrics.md."""

from __future__ import annotations

from s4fw.observe.reference import PAGE, page


def test_page_in_the_repository_is_the_one_the_declarations_make() -> None:
    """Run `python -m s4fw.observe.reference` after changing a counter or a meter."""
    assert page() == PAGE.read_text("utf-8")
