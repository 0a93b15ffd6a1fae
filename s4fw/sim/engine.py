"""What all APIs of one simulator share: models, prompts and the generator."""

from __future__ import annotations

from dataclasses import dataclass

from s4fw.sim.generator import Generator
from s4fw.sim.models import Catalogue
from s4fw.sim.prompt import Prompts


@dataclass(frozen=True, slots=True)
class Engine:
    """One set of them for each simulator."""

    catalogue: Catalogue
    prompts: Prompts
    generator: Generator
