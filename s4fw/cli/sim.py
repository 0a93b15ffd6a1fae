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


def _pair(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, str] | None:
    if value is None:
        return None
    key_id, _, secret = value.partition(":")
    if not key_id or not secret:
        raise click.BadParameter("expected ID:SECRET")
    return key_id, secret


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
    "--aws-key",
    envvar="S4FW_SIM_AWS_KEY",
    callback=_pair,
    metavar="ID:SECRET",
    help="The only key pair whose AWS signatures are accepted.",
)
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
    aws_key: tuple[str, str] | None,
    prices: dict[str, MockPrice],
) -> None:
    """Run the provider simulator, to try the firewall without a provider.

    Prints `ready http://HOST:PORT` once it listens.  That is the base URL of Anthropic's and AWS's
    SDKs; with /v1 it is that of OpenAI's, with /openai/v1 or /anthropic that of Bedrock's own
    OpenAI and Anthropic endpoints.
    """
    options = Options(
        seed=seed,
        pace=PACES[pace],
        output_tokens=output_tokens,
        key=key,
        aws_key=aws_key,
        prices=prices,
    )
    try:
        run(host, port, options=options, ready_fd=1)
    except OSError as problem:
        raise click.ClickException(f"cannot listen on {host}:{port}: {problem.strerror}") from None
