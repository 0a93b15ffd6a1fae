"""Remembering where chains end, within a bound."""

from s4fw.dialects.openai.chains import Chains


def test_tokens_of_an_unknown_chain_are_not_known() -> None:
    """Then the context is the bound: 0 would be none."""
    assert Chains(8).tokens("resp_1", "m") is None


def test_remember_more_than_the_limit_forgets_the_oldest() -> None:
    """Ids come from answers, without end."""
    chains = Chains(8)
    for number in range(100):
        chains.remember(f"resp_{number}", "m", number)
    known = [n for n in range(100) if chains.tokens(f"resp_{n}", "m") is not None]
    assert known == list(range(100 - len(known), 100))
    assert 4 <= len(known) <= 8
