"""Orders: what a request tells the simulator to do."""

import pytest

from s4fw.sim.faults import Faults
from s4fw.sim.form import ProviderError
from s4fw.sim.orders import Orders
from s4fw.sim.prompt import Counted
from s4fw.sim.reply import Call
from tests.harness import Simulator, post_chat


def _orders(text: str, **headers: str) -> Orders:
    given = {f"x-sim-{name}": value for name, value in headers.items()}
    return Orders(Call(1, b"", "POST", "/", given), text)


def test_orders_are_read_from_headers_first() -> None:
    """A test that cannot change the text can still say what it wants."""
    orders = _orders("do [[output 9]] and [[tool]] and [[search 2]]", output="7")
    assert (orders.number("output"), orders.tool, orders.number("search")) == (7, "", 2)
    assert orders.number("cached") is None


def test_faults_of_the_model_come_before_those_of_the_text() -> None:
    """The first that says something decides alone."""
    orders = _orders("[[fault drip:5]]")
    assert Faults.parse("cut:3") == orders.faults("mock-cut-3")
    assert Faults.parse("drip:5") == orders.faults("mock-small")
    with pytest.raises(ProviderError, match="no such fault"):
        _orders("[[fault explode]]").faults("mock-small")


def test_cached_takes_from_what_is_written() -> None:
    """The buckets never hold more than the prompt has."""
    counted = Counted(100, 0, 30, 20)
    assert Counted(100, 40, 30, 20) == counted.with_cached(40)
    assert Counted(100, 70, 10, 20) == counted.with_cached(70)
    assert Counted(100, 100, 0, 0) == counted.with_cached(1000)
    assert counted is counted.with_cached(None)
    assert counted.uncached == 50


def test_cached_order_is_reported_and_billed(simulator: Simulator) -> None:
    """A cheap way to a cached prompt, without a long one."""
    usage = post_chat(simulator.base_url, model="gpt-4o", content="hello [[cached 5]]").json()
    assert usage["usage"]["prompt_tokens_details"]["cached_tokens"] == 5
    row = simulator.wait_billed(1)["rows"][0]
    assert row["cache_read"] == 5
    assert row["cost_nusd"] == row["uncached_input"] * 2_500 + 5 * 1_250 + 64 * 10_000
