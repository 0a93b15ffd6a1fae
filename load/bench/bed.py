"""The test bed: upstreams, rivals and load generators, and on which cores each runs.

Each rival has one core; upstreams, wrk and this process share the others.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from load.bench import rivals, upstream
from load.bench.build import Build
from load.bench.rivals import Firewall, Rival
from load.bench.upstream import Upstream
from load.bench.wrk import Wrk


class Bed:
    """What everything runs on; `folder` should be in memory."""

    def __init__(self, build: Build, folder: Path, stack: contextlib.ExitStack) -> None:
        self.build = build
        self._folder = folder
        self._stack = stack
        cores = sorted(os.sched_getaffinity(0))
        self.all_cores = set(cores)
        self.rival_cores = {cores[0]}
        self.load_cores = set(cores[1:]) or self.rival_cores
        os.sched_setaffinity(0, self.load_cores)  # wrk and what else is started inherits it
        self.wrk = Wrk(folder)

    @cached_property
    def fixed(self) -> Upstream:
        """One fixed answer."""
        return self._kept(upstream.fixed(self._folder, self.load_cores))

    @cached_property
    def pacer(self) -> Upstream:
        """Streams."""
        return self._kept(upstream.pacer(self._folder, self.load_cores))

    @cached_property
    def sink(self) -> Upstream:
        """What takes the place of AWS and of a webhook."""
        return self._kept(upstream.sink(self._folder, self.load_cores))

    def _kept(self, started: Upstream) -> Upstream:
        self._stack.callback(started.child.end)
        return started

    @contextlib.contextmanager
    def nginx(self, workers: int = 1) -> Iterator[Rival]:
        """A fresh nginx before both upstreams."""
        ports = self.fixed.port, self.pacer.port
        rival = rivals.nginx(self._folder, workers, self.rival_cores, *ports)
        with contextlib.closing(_Ending(rival)):
            yield rival

    @contextlib.contextmanager
    def firewall(
        self,
        behind: Upstream,
        workers: int = 1,
        *,
        more: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Firewall]:
        """A fresh firewall before one upstream, with more of configuration and environment."""
        rival = rivals.firewall(
            self.build,
            self._folder,
            workers,
            self.rival_cores,
            behind.port,
            more or {},
            environment or {},
        )
        with contextlib.closing(_Ending(rival)):
            yield rival


class _Ending:
    def __init__(self, rival: Rival) -> None:
        self._rival = rival

    def close(self) -> None:
        self._rival.child.end()
