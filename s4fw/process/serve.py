"""From a configuration file to a running firewall, and from its end to an exit code."""

from __future__ import annotations

import logging
import resource
import sys
from collections.abc import MutableMapping
from pathlib import Path

from s4fw.config import ConfigErrors, load
from s4fw.config.schema import Config
from s4fw.observe.log import configure
from s4fw.process.exitcode import CONFIGURATION, Stop
from s4fw.process.master import Master
from s4fw.process.privacy import forbid_core_files, scrub_environment
from s4fw.process.stdio import fill_standard_streams

log = logging.getLogger(__name__)


def serve(path: Path, env: MutableMapping[str, str], log_level: str = "info") -> int:
    """Run until the end; returns the exit code.  Sentences for people go to standard error.

    Variables that hold our secrets are removed from `env` before anything is forked.
    """
    fill_standard_streams()
    forbid_core_files()
    _take_all_files()
    try:
        config = load(path, env)
    except ConfigErrors as errors:
        sys.stderr.write(f"{errors}\n")
        return CONFIGURATION
    kept = dict(env)  # the next reload expands ${VAR} again
    scrub_environment(env, _secrets_of(config))
    configure(log_level)
    for warning in config.warnings:
        log.warning(warning)
    try:
        return Master(config, path, kept).run()
    except Stop as stop:
        sys.stderr.write(f"s4fw: {stop.sentence}\n")
        return stop.code


def _take_all_files() -> None:
    """Raise the number of open files to what is allowed: shells and systemd start with 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _secrets_of(config: Config) -> list[str]:
    secrets = [config.admin.token, config.admin.read_token, config.server.sigv4_master]
    if config.alerts.webhook is not None:
        secrets.append(config.alerts.webhook.secret)
    for upstream in config.upstreams.values():
        secrets.append(upstream.api_key)
        if upstream.credentials is not None:
            secrets += upstream.credentials.secret_access_key, upstream.credentials.session_token
    return [secret.get_secret_value() for secret in secrets if secret is not None]
