"""Differential and robustness runs. `DOCKPROOF_FUZZ=20000` makes them long; by default they are short and fixed."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dockproof.facts.dockerfile import Dockerfile, parse
from tests.facts.fuzzing import fuzz
from tests.facts.oracle import ask, facts, outdated
from tests.facts.places import gaps, rebuild, rebuild_bytes
from tests.facts.strategies import soups, texts

RUN = fuzz(300)


@RUN
@given(texts())
def test_fuzz_agrees_with_buildkit(text: str) -> None:
    """What BuildKit's parser accepts has the same instructions here; what it refuses has a problem."""
    file = parse(text)
    assume(not outdated(text, file))
    answer = ask(text)
    if isinstance(answer, str):
        assert file.problems, answer
    else:
        assert facts(file) == answer


@RUN
@given(
    st.sampled_from(["RUN {}", "RUN cat {}", "COPY {} /f", "RUN x && \\\n {} | y", "ADD a {} b"]),
    st.sampled_from(["<<", "3<<"]),
    st.sampled_from([" ", "\t", "  "]),
    st.sampled_from(["E", "'E'", '"E"', "$E", "E'F'", "\\E"]),
    st.lists(st.sampled_from(["id", "E", "EF", "$E", "", "USER u"])),
)
def test_fuzz_reads_blanks_behind_the_heredoc_mark(
    line: str, mark: str, blank: str, word: str, body: list[str]
) -> None:
    """`<< E` opens the same here-document as `<<E`, which the older BuildKit at hand knows."""
    tail = "".join(f"{row}\n" for row in body)
    answer = ask(f"FROM a\n{line.format(mark + word)}\n{tail}")
    file = parse(f"FROM a\n{line.format(mark + blank + word)}\n{tail}")
    if isinstance(answer, str):
        assert file.problems
    else:
        shape = [(node.keyword, node.start, node.end, node.heredocs) for node in facts(file)]
        assert shape == [(node.keyword, node.start, node.end, node.heredocs) for node in answer]


@RUN
@given(st.one_of(st.just("# escape=`\n"), st.just("# escape=\\\n"), st.just("")), soups())
def test_fuzz_reads_check_as_a_directive(escape: str, soup: str) -> None:
    """`# check=` stands in front of `# escape=` as `# syntax=` does, which the older BuildKit at hand knows."""
    assume("syntax" not in soup and "check" not in soup)
    known = f"# syntax=x\n{escape}FROM a\n{soup}"
    assume(not outdated(known, parse(known)))
    answer = ask(known)
    assume(not isinstance(answer, str))
    assert facts(parse(known.replace("# syntax=x", "# check=skip=all", 1))) == answer


def everything(file: Dockerfile) -> None:
    """Ask for all facts of a file."""
    _ = (file.problems, file.externals, file.needed() if file.stages else None)
    for stage in file.stages:
        _ = (stage.user, stage.workdir, stage.shell, stage.command, stage.entrypoint, stage.healthcheck)
        _ = (stage.stop_signal, stage.arguments, stage.externals, stage.name, stage.root_base)
    for stage in file.stages[-3:]:
        _ = (stage.environment, stage.labels, stage.ports, stage.volumes, repr(stage))
    for one in file.instructions:
        _ = (one.words, one.word_spans, one.pairs, one.flags, one.effective.words, repr(one))


@RUN
@given(texts())
def test_fuzz_spans_give_the_file_back(text: str) -> None:
    """Spans and gaps are the file, and in the gaps stand comments and white space alone."""
    file = parse(text)
    assert rebuild(file) == file.text
    for gap in gaps(file):
        for line in gap.split("\n"):
            rest = line.removeprefix("\ufeff").strip()
            assert rest == "" or rest.startswith("#"), gap


@RUN
@given(texts())
def test_fuzz_offsets_lead_to_their_characters(text: str) -> None:
    """Each character of the arguments stands in the file where `locate` says."""
    file = parse(text)
    rows = file.text.split("\n")
    for one in file.instructions:
        for instruction in (one, one.effective):
            for offset, char in enumerate(instruction.value):
                line, column = instruction.locate(offset)
                assert rows[line - 1][column - 1] == char


@RUN
@given(
    st.one_of(st.binary(max_size=200), texts().map(str.encode)), st.binary(max_size=4), st.integers(0, 200)
)
def test_fuzz_takes_any_bytes(data: bytes, noise: bytes, at: int) -> None:
    """Whatever the bytes, all facts are answered, nothing is raised, and the spans give the bytes back."""
    whole = data[:at] + noise + data[at:]
    file = parse(whole)
    everything(file)
    assert rebuild_bytes(file) == whole


SIZES = (10_000, 40_000)
_MEGABYTE = 1 << 20


class Many(NamedTuple):
    """A text that is repeated until it fills its share of the size; `{n}` and `{m}` count up, m one behind n."""

    unit: str
    share: int = 1

    def fill(self, size: int) -> str:
        """As many as fit."""
        count = size // (len(self.unit) * self.share)
        if "{n}" not in self.unit:
            return self.unit * count
        return "".join(self.unit.replace("{n}", str(n + 1)).replace("{m}", str(n)) for n in range(count))


SLOW_LOOKING: dict[str, tuple[str | Many, ...]] = {
    "blanks": ("FROM a\nRUN ", Many(" "), "x\n"),
    "escapes": ("FROM a\nRUN ", Many("\\"), "\n"),
    "escapes and blanks": ("FROM a\nRUN ", Many("\\ "), "\n"),
    "continuations": ("FROM a\nRUN ", Many("x \\\n")),
    "blank continuations": ("FROM a\nRUN \\\n", Many("\n")),
    "comments inside": ("FROM a\nRUN \\\n", Many("# c\n")),
    "directives": (Many("# escape=`\n"), "FROM a\n"),
    "stages": (Many("FROM a\n"),),
    "a chain": ("FROM a AS s0\n", Many("FROM s{m} AS s{n}\nENV A{n}=$A{m}x\nUSER $A0\nWORKDIR x\n")),
    "copies": ("FROM a AS b\nFROM c\n", Many("COPY --from=b x y\n")),
    "names that grow": ("FROM scratch\n", Many("ENV PATH=$PATH:/x\n")),
    "names that double": ("FROM scratch\nENV A=xxxx\n", Many("ENV A=$A$A\n")),
    "names in a row": ("FROM a\n", Many("ENV A{n}=$A{m}\n")),
    "pairs": ("FROM a\nENV ", Many("a=b "), "\n"),
    "quotes": ("FROM a\nENV a=", Many("\"'"), "\n"),
    "an open quote": ('FROM a\nENV a="', Many('\\"'), "\n"),
    "a long array": ("FROM a\nCMD [", Many('"a",'), '"a"]\n'),
    "open brackets": ("FROM a\nCMD ", Many("["), "\n"),
    "deep arrays": ("FROM a\nCMD ", Many("[", 2), Many("]", 2), "\n"),
    "objects": ("FROM a\nCMD [", Many('{"a":'), "\n"),
    "triggers of triggers": ("FROM a\n", Many("ONBUILD "), "RUN x\n"),
    "triggers times stages": ("FROM a AS x\n", Many("ONBUILD COPY --from=x a b\n", 2), Many("FROM x\n", 80)),
    "flags": ("FROM a\nRUN ", Many("--mount=type=bind,from=a "), "x\n"),
    "quoted flags": ("FROM a\nRUN ", Many("--m='a' "), "x\n"),
    "flags beyond ASCII": ("FROM a\nRUN ", Many("--m=é "), "x\n"),
    "here-documents in a line": ("FROM a\nRUN ", Many("<<E ", 2), "\n", Many("E\n", 2)),
    "here-documents in a row": ("FROM a\n", Many("RUN <<E\nx\nE\n")),
    "open here-documents": ("FROM a\nRUN ", Many("<<E ", 2), "\n", Many("F\n", 2)),
    "angles": ("FROM a\nRUN ", Many("<"), "\n"),
    "dollars": ("FROM a\nRUN <<", Many("$"), "\n"),
    "deep substitutions": ("FROM a\nUSER ", Many("${a:-", 2), Many("}", 10), "\n"),
    "variables": ("FROM a\nUSER ", Many("$A"), "\n"),
    "prefixes": ("FROM scratch\nENV A=", Many("a", 2), "\nUSER ${A#", Many("*a", 2), "b}${A##*a*a*b}\n"),
    "suffixes": ("FROM scratch\nENV A=", Many("a", 2), "\nUSER ${A%", Many("a*", 2), "b}${A%%b*a*a*}\n"),
    "replacements": ("FROM scratch\nENV A=", Many("a"), "\nUSER ${A//a*b/c}${A//a/bb}${A//*a*a*a*b/c}\n"),
    "unknown instructions": ("FROM a\n", Many("FOOBARBAZ x\n")),
    "a long keyword": ("FROM a\n", Many("x"), " x\n"),
    "NUL": ("FROM a\n", Many("\0")),
    "no-break spaces": ("FROM a\nRUN ", Many("\xa0"), "x\n"),
    "ports": ("FROM a\nEXPOSE ", Many("80 "), "\n"),
    "folders": ("FROM scratch\nWORKDIR ", Many("x/../", 2), "\n", Many("WORKDIR x\n", 2)),
    "an image's name": ("FROM ", Many("a-", 2), "\nFROM ", Many("a.", 2), "/b\n"),
    "an image's path": ("FROM ", Many("a/"), "B\n"),
    "a duration": ("FROM a\nHEALTHCHECK --interval=", Many("1"), " CMD x\n"),
    "a number": ("FROM a\nCOPY --from=", Many("1"), " a b\n"),
    "mount options": ("FROM a\nRUN --mount=", Many("type=bind,"), " x\n"),
    "carriage returns": ("FROM a\r\n", Many("\r")),
    "empty lines": (Many("\n"),),
}


def slow_text(name: str, size: int) -> str:
    """Return a text that looks quadratic, its repeated parts filled to a size."""
    return "".join(part.fill(size) if isinstance(part, Many) else part for part in SLOW_LOOKING[name])


@pytest.mark.usefixtures("no_hang")
@pytest.mark.parametrize("name", SLOW_LOOKING)
def test_fuzz_reads_what_is_made_to_be_slow(name: str) -> None:
    """Long and deep texts are read through; `python -m bench growth` shows that cost grows with size alone."""
    everything(parse(slow_text(name, SIZES[1])))


@pytest.mark.parametrize(
    "line", ["RUN {}", "ENV A={}", "CMD [{}]", "COPY {} b", "# {}", "RUN <<{}", "{}", "FROM {}"]
)
def test_fuzz_reads_a_megabyte_on_one_line(line: str) -> None:
    """A line far beyond BuildKit's limit is a problem, and read in bounded time."""
    file = parse("FROM a\n" + line.format("y" * _MEGABYTE) + "\n")
    everything(file)
    assert any("65535" in problem.message for problem in file.problems)
