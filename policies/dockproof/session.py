"""One run of the gate on one manifest: builds, inspects and runs what is asked for, each once.

A session answers for a service at a level. Images are built together at the first question that needs one, containers
are started together at the first question to a running one. What fails is an answer too (`not_looked`), so that the
rest goes on and nothing already found is lost.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from dockproof import gate, verdict
from dockproof.collect import build, compose, engine, image, run, standins, structure
from dockproof.config import x_dockproof
from dockproof.errors import DockproofError, NotLookedError, UsageError
from dockproof.facts.context import BuildContext
from dockproof.facts.dockerfile import parse
from dockproof.finding import Probe
from dockproof.gate import Answers, NotLooked
from dockproof.policy import ImageTarget, RuntimeTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Any, Self

    from dockproof.collect.compose import Manifest, Service
    from dockproof.collect.structure import StructureResult
    from dockproof.config import Config, ServiceRule
    from dockproof.facts.container import ContainerFacts
    from dockproof.facts.image import ImageFacts
    from dockproof.finding import Finding
    from dockproof.policy import Policy, Profile, SourceTarget
    from dockproof.verdict import Cell

WORKERS = 4
