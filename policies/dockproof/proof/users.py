"""The proof on a user's own Dockerfiles: they are read and edited in memory, never written.

A policy that is silent about a file because the file has the property must speak when the property is taken away. Who
sees that knows that the gate guards this file, and not only ours.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from dockproof import catalog
from dockproof.collect import discover
from dockproof.collect.discover import STDIN
from dockproof.errors import NothingToCheckError
from dockproof.facts.dockerfile import parse
from dockproof.policy import SourceMutant
from dockproof.proof import source
from dockproof.proof.matrix import Proof, edited, failed
from dockproof.proof.source import Good

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dockproof.config import Config
    from dockproof.facts.context import BuildContext
    from dockproof.policy import Policy
    from dockproof.proof.matrix import Owner, Row

_MARK = "\ufeff"  # an editor's mark of UTF-8, which means nothing


def prove(
    paths: Sequence[str], policies: Mapping[str, Policy], config: Config, owners: Mapping[str, Owner]
) -> Proof:
    """Make every edit of some policies on every file that the paths mean.

    Args:
        paths: as the user named them; `-` is standard input.
        policies: all policies by id.
        config: the configuration: profiles, targets, contexts, waivers.
        owners: whose mutants are made.

    Raises:
        NothingToCheckError: the paths hold no Dockerfile, or nothing of the policies can be shown of any.
    """
    proof = Proof(of_users=True)
    files = list(_files(discover.discover(paths), config, proof))
    clauses = frozenset(name for name in config.ignore if "/" in name)  # ignored policies are no owners
    asking = config._replace(select=frozenset(owners), ignore=clauses)
    for file in files:
        proof.not_looked.extend(_missed(file, policies, asking))
        proof.add(source.edit_rows(file, policies, asking, owners, alone=True))
    everyone = config._replace(select=frozenset())
    own = [owner for name, owner in owners.items() if name not in catalog.load()]
    proof.rows.extend(row for owner in own for row in _text_rows(owner, files, policies, everyone))
    _refuse_nothing(proof, owners)
    return proof


def _refuse_nothing(proof: Proof, owners: Mapping[str, Owner]) -> None:
    if proof.rows or proof.not_looked or any(one.severity for one in proof.not_made):
        return
    reasons = "; ".join(dict.fromkeys(one.reason for one in proof.not_made))
    raise NothingToCheckError(f"nothing to prove of {', '.join(owners)}: {reasons}")


def _files(found: Sequence[discover.Found], config: Config, proof: Proof) -> Iterator[Good]:
    """Read the files; what cannot be read is kept in the proof, and the others go on."""
    for one in found:
        if one.error:
            proof.not_looked.append(f"{one.path}: {one.error}")
            continue
        try:
            yield good(one.path, config)
        except OSError as error:
            proof.not_looked.append(f"{one.path}: {error.strerror or error}")
        except KeyError as error:
            proof.not_looked.append(f"{one.path}: {error.args[0]}")


def good(path: str, config: Config) -> Good:
    """Read one file with what the configuration says of it: profile, targets, context and waivers.

    Raises:
        OSError: it cannot be read.
        KeyError: a target of the configuration is no stage of it.
    """
    rules = config.rules_for(path)
    content = sys.stdin.buffer.read() if path == STDIN else discover.read(path)
    file = parse(content, path)
    found = Good(
        path,
        file.text.removeprefix(_MARK),
        next((rule.profile for rule in rules if rule.profile), config.profile),
        None
        if path == STDIN
        else _context(path, next((rule.context for rule in rules if rule.context), None)),
        next((rule.targets for rule in rules if rule.targets), ()),
        tuple(waiver for rule in rules for waiver in rule.waivers),
    )
    file.shipped(found.targets)
    return found


def _context(path: str, folder: str | None) -> BuildContext:
    from dockproof.facts.context import BuildContext  # noqa: PLC0415 - standard input has none

    beside = os.path.dirname(path) or os.curdir  # noqa: PTH120 - text, as the other paths here
    return BuildContext.open(folder or beside, path)


def _missed(file: Good, policies: Mapping[str, Policy], config: Config) -> Iterator[str]:
    for missed in source.answers(file, file.text, policies, config).not_looked:
        yield f"{file.name}: {missed.what} could not look: {missed.reason}"


def _text_rows(
    owner: Owner, files: Sequence[Good], policies: Mapping[str, Policy], config: Config
) -> Iterator[Row]:
    """Make the text mutants of a project's own policy, on the files of the name that they ask for."""
    for mutant in owner.mutants:
        if not isinstance(mutant, SourceMutant):
            continue
        named = [one for one in files if os.path.basename(one.name) == mutant.file]  # noqa: PTH119 - as above
        fitting = [one for one in named if _fits(one, mutant)] or named[:1]
        if not fitting:
            yield failed(
                owner.policy, mutant, f"stale: there is no Dockerfile {mutant.file} here", mutant.file
            )
        for one in fitting:
            renamed = {mutant.file: one}
            yield from source.rows(
                renamed, policies, config, {owner.policy.id: owner._replace(mutants=(mutant,))}
            )


def _fits(file: Good, mutant: SourceMutant) -> bool:
    try:
        edited(file.text, mutant)
    except ValueError:
        return False
    return True
