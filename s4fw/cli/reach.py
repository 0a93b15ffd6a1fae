"""How a command finds the running firewall: where its admin listener is, and with which token.

The address is the first of: `--admin`, S4FW_ADMIN_URL, the configuration file.  The token is
S4FW_ADMIN_TOKEN, or the configuration's; the latter is never sent to an address that the
configuration does not name.  Only the sections `admin` and `paths` are read, and variables or
files that only the firewall can read are no problem: an operator's shell has no provider keys.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from s4fw.admin.client import AdminClient, AdminError, Refused, Unreachable
from s4fw.config.document import Scalar, read_document
from s4fw.config.listeners import Admin
from s4fw.config.paths import Paths

CONFIG_FILE = "s4fw.yaml"
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # bound to every address: this machine's is one


def asks_firewall(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options to reach a firewall, and turn no answer into exit code 1.

    The command gets `firewall` (AdminClient) and `as_json` beside its own parameters.
    """

    @click.option("--admin", metavar="URL", help="Admin listener; else S4FW_ADMIN_URL or the file.")
    @click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        envvar="S4FW_CONFIG",
        help=f"Configuration file (default {CONFIG_FILE}).",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON with amounts in nano-USD.")
    @functools.wraps(command)
    def wrapped(admin: str | None, config: Path | None, **parameters: Any) -> None:
        firewall = reach(admin, config, os.environ)
        try:
            command(firewall=firewall, **parameters)
        except AdminError as fault:
            raise click.ClickException(_advice(fault, firewall)) from fault

    return wrapped


def reach(url: str | None, config: Path | None, env: Mapping[str, str]) -> AdminClient:
    """The client of the firewall that is meant.  Raises click's exceptions."""
    token = env.get("S4FW_ADMIN_TOKEN") or None
    named = url or env.get("S4FW_ADMIN_URL")
    try:
        if named:
            return AdminClient(named, token)
        path = config or Path(CONFIG_FILE)
        if config is None and not path.exists():
            return AdminClient("http://127.0.0.1:9090", token)
        found, configured = _configured(path, env)
        return AdminClient(found, token or configured)
    except ValueError as fault:
        place = "--admin" if url else "S4FW_ADMIN_URL" if named else "the admin address"
        raise click.UsageError(f"{place} {fault}") from fault


def directories(config: Path | None, env: Mapping[str, str]) -> Paths:
    """Where the firewall that is meant keeps its state.  Raises click's exceptions."""
    path = config or Path(CONFIG_FILE)
    if config is None and not path.exists():
        return Paths.model_validate({}, context={"directory": Path(), "env": env})
    tree = _tree(path, env)
    try:
        context = {"directory": path.parent, "env": env}
        return Paths.model_validate(_readable(tree.get("paths"), path.parent), context=context)
    except ValidationError as fault:
        raise click.UsageError(f"{path} is not valid at paths: see `s4fw check`") from fault


def _tree(path: Path, env: Mapping[str, str]) -> dict[Any, Any]:
    """The file's document, not judged yet."""
    try:
        tree = read_document(path.read_text("utf-8"), env).tree
    except (OSError, UnicodeDecodeError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "not UTF-8"
        raise click.UsageError(f"cannot read {path}: {reason}") from fault
    if not isinstance(tree, dict):  # never ask, or freeze, another firewall instead
        raise click.UsageError(f"{path} is no configuration: see `s4fw check`")
    return tree


def _configured(path: Path, env: Mapping[str, str]) -> tuple[str, str | None]:
    """Address and token as the file says."""
    tree = _tree(path, env)
    context = {"directory": path.parent, "env": env}
    try:
        admin = Admin.model_validate(_readable(tree.get("admin"), path.parent), context=context)
        paths = Paths.model_validate(_readable(tree.get("paths"), path.parent), context=context)
    except ValidationError as fault:
        place = ".".join(str(item) for item in fault.errors()[0]["loc"])
        raise click.UsageError(f"{path} is not valid at {place}: see `s4fw check`") from fault
    port = admin.port
    if port == 0:
        port = _chosen_port(paths.runtime)
    host = _HERE.get(admin.host, admin.host)
    known = admin.token or admin.read_token
    token = known.get_secret_value() if known is not None else None
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}", token


def _readable(section: Any, directory: Path) -> Any:
    """The section without tokens that cannot be had here: the answer will say if one is needed."""
    if not isinstance(section, dict):
        return {}
    tokens = ("token", "read_token")
    return {k: v for k, v in section.items() if k not in tokens or _can_have(v, directory)}


def _can_have(token: Any, directory: Path) -> bool:
    if isinstance(token, dict):
        return _can_open(directory, token.get("file"))
    return not (isinstance(token, Scalar) and token.is_broken)


def _can_open(directory: Path, name: Any) -> bool:
    return isinstance(name, Scalar) and os.access(directory / name.text, os.R_OK)


def _chosen_port(runtime: Path) -> int:
    """The port the kernel chose, as the running master wrote it down."""
    path = runtime / "ports.json"
    try:
        return int(json.loads(path.read_text())["admin"])
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise click.ClickException(
            f"admin.port is 0 and {path} does not tell which port was chosen: no firewall runs"
        ) from fault


def _advice(fault: AdminError, firewall: AdminClient) -> str:
    if isinstance(fault, Unreachable):
        return f"{fault}. Is it running (s4fw serve), and is the address right (--admin, -c)?"
    if isinstance(fault, Refused) and fault.status == 401:
        return (
            f"the firewall at {firewall.url} wants its admin token: set S4FW_ADMIN_TOKEN,"
            " or name the configuration that holds it (-c)"
        )
    return str(fault)
