"""Refusals by their number in a journal row."""

from s4fw import errors
from s4fw.ledger.journal import CODE_INDEX, CODES

# As rows on disks and ledgers have them: whoever adds a code adds it at the end, here too.
NUMBERS = {
    0: None,
    4: errors.INVALID_API_KEY,
    17: errors.BUDGET_EXCEEDED,
    18: errors.FROZEN,
    27: errors.LOOP_DETECTED,
    28: errors.RATE_LIMITED,
    29: errors.INVALID_SIGNATURE,
    30: errors.MISSING_ATTRIBUTION,
    31: errors.MODEL_NOT_ALLOWED,
    32: errors.CREDENTIALS_MISSING,
    33: errors.NOT_FOUND,
}


def test_every_refusal_has_a_number() -> None:
    """One without would stand in the ledger as none."""
    declared = [code for code in vars(errors).values() if isinstance(code, errors.Code)]
    assert [] == [code.name for code in declared if code not in CODE_INDEX]
    assert len(CODES) == len(set(CODES))


def test_numbers_never_move() -> None:
    """Rows that were written are read by the next version."""
    assert NUMBERS == {number: CODES[number] for number in NUMBERS}
