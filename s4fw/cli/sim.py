"""`s4fw sim`: run the provider simulator."""

from __future__ import annotations

import click

from s4fw.sim.models import MockPrice, parse_price
from s4fw.sim.pacing import PACES
from s4fw.sim.server import run
from s4fw.sim.simulator import Options


def _prices(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, MockPrice]:
    try:
        return dict(parse_price(text) for text in values)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None


@click.command(name="sim")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port; 0 takes a free one.",
)
@click.option("--seed", default=0, show_default=True, help="Other seed, other answers.")
@click.option(
    "--pace",
    type=click.Choice(list(PACES)),
    default="fast",
    show_default=True,
    help="How fast tokens are generated.",
)
@click.option("--output-tokens", default=64, show_default=True, help="Length of an answer.")
@click.option("--key", envvar="S4FW_SIM_KEY", help="The only API key that is accepted.")
@click.option(
    "--prices",
    multiple=True,
    callback=_prices,
    metavar="MODEL=IN:OUT[:MAX]",
    help="USD per million tokens of a model, and its maximum output.",
)
def command(
    host: str,
    port: int,
    seed: int,
    pace: str,
    output_tokens: int,
    key: str | None,
    prices: dict[str, MockPrice],
) -> None:
    """Run the provider simulator, to try the firewall without a provider.

    Prints `ready http://HOST:PORT` once it listens; that port with /v1 is the base URL of SDKs.
    """
    options = Options(
        seed=seed,
        pace=PACES[pace],
        output_tokens=output_tokens,
        key=key,
        prices=prices,
    )
    try:
        run(host, port, options=options, ready_fd=1)
    except OSError as problem:
        raise click.ClickException(f"cannot listen on {host}:{port}: {problem.strerror}") from None
