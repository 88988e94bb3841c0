"""The container works under a user id that nobody foresaw.

What it holds
-------------
Runtime: another container of the service, under a random uid (of the range 1000660000 to 1000669999) with group 0 and
beside the same dependencies, becomes healthy (`starts`) and opens the ports that the image exposes (`works`). Where its
main process has another uid than the one that was asked for, nothing is shown, and the run is not looked at.

Why it matters
--------------
OpenShift, and any platform with `runAsUser` of its own, gives each project a uid that no image knows. An image whose
files belong to one uid alone, or that looks its user up in passwd, fails there at its first start.

How to fix it
-------------
Make files readable for all and folders that are written to writable for group 0 (`chgrp -R 0`, `chmod -R g=u`), or
better mount them; set `HOME` to a folder that is there; do not ask passwd who you are.

References
----------
- https://docs.redhat.com/en/documentation/openshift_container_platform/4.17/html/images/creating-images
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

    from dockproof.finding import Answer
    from dockproof.policy import Mutant, RuntimeTarget

_RUN = "import runpy; runpy.run_module('app', run_name='__main__')"
_KNOWN = "import os\nif os.getuid() == 10001:"


class ArbitraryUid(Policy):
    """No uid is built in."""

    title = "works under any user id"
    family = Family.LEAST_PRIVILEGE
    production = Severity.WARNING
    development = None
    clauses = (
        Clause("starts", "it starts and becomes healthy"),
        Clause("works", "it opens the ports that it exposes"),
    )
    references = (
        "https://docs.redhat.com/en/documentation/openshift_container_platform/4.17/html/images/creating-images",
    )
    experiments = frozenset({"arbitrary-uid"})

    def runtime(self, target: RuntimeTarget) -> Iterator[Answer]:
        """Judge the container that ran under a random uid.

        Raises:
            NotLookedError: it did not run under it.
        """
        trial = target.container.trials.get("arbitrary-uid")
        if trial is None:
            yield from self.untried(target.container, "arbitrary-uid")
            return
        problem = of_trial(trial)
        if problem or trial.facts is None:
            yield self.in_container(problem, Place(field="Config.User"), clause="starts")
            return
        for port in missing_ports(target.image, trial.facts):
            message = f"with {trial.terms} nothing listens on the exposed port {port}"
            yield self.in_container(message, Place(field="sockets"), clause="works")
        main, given = trial.facts.main, trial.facts.user.partition(":")[0]
        if main is None or given not in {str(main.uid), str(main.real_uid)}:
            raise NotLookedError(f"the engine was asked for uid {given} and gave another")

    mutants: ClassVar[tuple[Mutant, ...]] = (
        RuntimeMutant(
            "knows-its-uid",
            {"command": ["python", "-c", f"{_KNOWN} {_RUN}\nelse: raise SystemExit('who am I?')"]},
            clause="starts",
        ),
        RuntimeMutant(
            "hides-its-failure",
            {
                "command": ["python", "-c", f"{_KNOWN} {_RUN}\nelse: import time; time.sleep(600)"],
                "healthcheck": {"test": ["CMD", "true"]},
            },
            clause="works",
        ),
    )
