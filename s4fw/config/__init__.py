"""The configuration: one YAML file, read strictly, all mistakes told at once.

document   YAML text -> a tree in which everything has a line
forms      how values are written: sizes, durations, dollars, choices
schema     the whole; one file for each section of it beside
load       file -> Config, or ConfigErrors with every problem
checks     what must fit together; warnings: what is allowed but probably not meant
changes    what a reload changes, in sentences
reference  the documentation and the JSON Schema, generated
"""

from s4fw.config.load import load, parse
from s4fw.config.problem import ConfigErrors, Problem
from s4fw.config.schema import Config

__all__ = ["Config", "ConfigErrors", "Problem", "load", "parse"]
