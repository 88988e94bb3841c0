"""The container works with everything taken away that a program rarely needs.

What it holds
-------------
Runtime: the service becomes healthy, and opens the ports that it exposes, with a read-only root, all capabilities
dropped, `no-new-privileges` and a tmpfs on `/tmp`; without a network too where `network: false` stands under
`x-dockproof`. Its own container is the proof where compose runs it so; otherwise another one is run so beside it, with
the same dependencies (`starts`, `works`). That the kernel really held it to these terms is looked up in its processes:
where one had a capability, or a way to new ones, nothing is shown, and the run counts as not looked at.

Why it matters
--------------
A program that gets along with this can be run with this, and then an intruder in it can neither change a file, nor use
a right of root, nor gain one through a setuid program. One that was never tried is found out in production, and run
with everything.

How to fix it
-------------
Write to `/tmp` or to a volume alone, listen above port 1023, and do at build time what needs root. Ship bytecode where
an interpreter would write it at the first start. In compose: `read_only: true`, `cap_drop: [ALL]`,
`security_opt: ["no-new-privileges:true"]`, `tmpfs: [/tmp]`.

References
----------
- CIS Docker Benchmark 1.6, 5.4, 5.13 and 5.26
- https://docs.docker.com/engine/security/#linux-kernel-capabilities
"""

from __future__ import annotations

from dockproof.catalog._trials import missing_ports, of_trial
from dockproof.errors import NotLookedError
from dockproof.finding import Place, Severity
from dockproof.policy import Clause, Family, Policy, RuntimeMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.facts.container import ContainerFacts
    from dockproof.finding import Answer
    from dockproof.policy import Mutant, RuntimeTarget

_RUN = "import runpy; runpy.run_module('app', run_name='__main__')"
_FREE = {"read_only": False, "cap_drop": None, "security_opt": None}


def _prove_held(facts: ContainerFacts) -> None:
    """Without this a run that an engine silently softened would prove something."""
    for process in facts.processes:
        if process.cap_eff or process.cap_bnd or not process.no_new_privs:
            rights = ", ".join(sorted(process.cap_eff | process.cap_bnd)) or "a way to new privileges"
            raise NotLookedError(f"the engine was asked to take all rights away and left {rights}")
    if not facts.readonly_root:
        raise NotLookedError("the engine was asked for a read-only root and gave a writable one")


class HardenedRun(Policy):
    """What can be taken away is not missed."""

    title = "works with a read-only root and without any capability"
    family = Family.LEAST_PRIVILEGE
    production = Severity.ERROR
    development = None
    clauses = (
        Clause("starts", "it starts and becomes healthy"),
        Clause("works", "it opens the ports that it exposes"),
    )
    references = (
        "cis:5.4",
        "cis:5.13",
        "cis:5.26",
        "https://docs.docker.com/engine/security/#linux-kernel-capabilities",
    )
    experiments = frozenset({"hardened"})

    def runtime(self, target: RuntimeTarget) -> Iterator[Answer]:
        """Judge the container that ran under these terms.

        Raises:
            NotLookedError: it did not really run under them.
        """
        trial = target.container.trials.get("hardened")
        if trial is None:
            yield from self.untried(target.container, "hardened")
            return
        problem = of_trial(trial)
        if problem or trial.facts is None:
            yield self.in_container(problem, Place(field="HostConfig"), clause="starts")
            return
        for port in missing_ports(target.image, trial.facts):
            message = f"with {trial.terms} nothing listens on the exposed port {port}"
            yield self.in_container(message, Place(field="sockets"), clause="works")
        _prove_held(trial.facts)

    mutants: ClassVar[tuple[Mutant, ...]] = (
        RuntimeMutant(
            "writes-to-its-root",
            {**_FREE, "command": ["python", "-c", f"open('/var/tmp/state', 'w').close(); {_RUN}"]},
            clause="starts",
        ),
        RuntimeMutant(
            "needs-a-capability",
            {
                **_FREE,
                "user": "0:0",
                "command": ["python", "-c", f"import os; os.chroot('/'); {_RUN}"],
            },
            clause="starts",
            also=frozenset({"non-root"}),
        ),
        RuntimeMutant(
            "hides-its-failure",
            {
                **_FREE,
                "command": [
                    "python",
                    "-c",
                    f"import os, time\nif os.access('/var/tmp', os.W_OK): {_RUN}\nelse: time.sleep(600)",
                ],
                "healthcheck": {"test": ["CMD", "true"]},
            },
            clause="works",
        ),
    )
