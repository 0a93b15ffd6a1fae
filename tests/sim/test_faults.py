"""How faults are asked for."""

import pytest

from s4fw.sim.faults import MODES, Faults


def test_parse_several_faults_gives_each_its_argument() -> None:
    """Faults are combined, and an argument left out has the declared default."""
    assert Faults.parse("cut:3, drip,hang") == {"cut": "3", "drip": "1", "hang": ""}


@pytest.mark.parametrize("text", ["explode", "cut:soon", "cut:-1"])
def test_parse_what_is_no_fault_is_refused(text: str) -> None:
    """A test that misspells its fault must not pass because nothing failed."""
    with pytest.raises(ValueError, match="fault"):
        Faults.parse(text)


@pytest.mark.parametrize(
    ("model", "faults"),
    [
        ("mock-cut", {"cut": "2"}),
        ("mock-status-429", {"status": "429"}),
        ("mock-hang_stream-7", {"hang_stream": "7"}),
        ("mock-small", {}),
        ("mock-large-9", {}),
        ("gpt-4o", {}),
    ],
)
def test_of_model_reads_the_mode_from_the_name(model: str, faults: dict[str, str]) -> None:
    """The model's name always reaches the provider, a header only if the proxy forwards it."""
    assert faults == Faults.of_model(model)


def test_of_model_knows_every_mode() -> None:
    """Each mode can be asked for by a model's name."""
    assert [[mode] for mode in MODES] == [list(Faults.of_model(f"mock-{m}")) for m in MODES]
