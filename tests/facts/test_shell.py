"""Shell scripts in every form that a Dockerfile holds them in."""

from __future__ import annotations

import pytest

from dockproof.facts.dockerfile import parse
from dockproof.facts.shell import Script, script


def read(text: str, shell: tuple[str, ...] | None = None) -> Script:
    """Read the last instruction of a Dockerfile's text."""
    return script(parse(f"FROM a\n{text}").instructions[-1], shell)


def names(text: str) -> list[str]:
    """Give the names of the commands that a RUN starts."""
    return [command.name for command in read(f"RUN {text}").commands]


def argv(text: str) -> list[list[str]]:
    """Give the commands of a RUN, word by word."""
    return [[word.text for word in command.words] for command in read(f"RUN {text}").commands]


def test_reads_operators_in_order() -> None:
    """Each command knows the operator that leads to it."""
    found = read("RUN a && b || c; d | e & f").commands
    assert [(one.name, one.after) for one in found] == [
        ("a", ""),
        ("b", "&&"),
        ("c", "||"),
        ("d", ";"),
        ("e", "|"),
        ("f", "&"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a 'b c' d", ["a", "b c", "d"]),
        ('a "b \\" c"d', ["a", 'b " cd']),
        ("a b\\ c", ["a", "b c"]),
        ("a $'b\\tc'", ["a", "b\tc"]),
        ("a \"$x\"'$y'", ["a", "$x$y"]),
        ("a # b", ["a"]),
        ("a b#c", ["a", "b#c"]),
        ("a {} +", ["a", "{}", "+"]),
        ("a ''", ["a", ""]),
    ],
)
def test_removes_quotes_as_the_shell_does(text: str, words: list[str]) -> None:
    """Quotes and escapes are gone from a word's text."""
    assert argv(text) == [words]


def test_tells_literal_words_from_expanded_ones() -> None:
    """A word is literal when nothing in it is expanded."""
    (found,) = read("RUN a '$b' $c \"${d}\" \\$e `f` $((1)) $").commands[:1]
    assert [word.literal for word in found.words] == [True, True, False, False, True, False, False, True]


@pytest.mark.parametrize(
    ("text", "name", "wrappers"),
    [
        ("sudo -E env A=1 /usr/bin/curl x", "curl", ("sudo", "env")),
        ("sudo -u app -- curl", "curl", ("sudo",)),
        ("exec nice -n 5 nohup a", "a", ("exec", "nice", "nohup")),
        ("timeout -k 5 10s a", "a", ("timeout",)),
        ("xargs -0 -n1 rm -f", "rm", ("xargs",)),
        ("command -v curl", "command", ()),
        ("time -p a", "a", ("time",)),
        ("gosu app:app a", "a", ("gosu",)),
        ("runuser -u app -- a", "a", ("runuser",)),
        ("sudo", "sudo", ()),
        ("exec 2>&1", "exec", ()),
        ("busybox wget x", "wget", ("busybox",)),
    ],
)
def test_unwraps_what_starts_another_command(text: str, name: str, wrappers: tuple[str, ...]) -> None:
    """sudo, env, xargs and their like are wrappers of the command that they start."""
    found = read(f"RUN {text}").commands[0]
    assert (found.name, found.wrappers) == (name, wrappers)


def test_keeps_assignments_of_env_and_in_front() -> None:
    """An assignment in front of a command and one of env are the command's assignments."""
    found = read("RUN A=1 env B='x y' a C=3").commands[0]
    assert [(name, word.text) for name, word in found.assignments] == [("A", "1"), ("B", "x y")]


@pytest.mark.parametrize(
    "text",
    ["sh -c 'a; b | c'", 'bash -o pipefail -ec "a; b | c"', "su - app -c 'a; b | c'", "eval 'a; b' '| c'"],
)
def test_reads_scripts_in_words(text: str) -> None:
    """The script of sh -c, su -c and eval is read like any other."""
    assert names(text)[1:] == ["a", "b", "c"]


def test_reads_substitutions_once() -> None:
    """A substitution within a script in double quotes runs before that script and is no part of it."""
    assert names('sh -c "$(curl x) a"') == ["sh", "curl", "$(curl x)"]


def test_names_the_command_that_a_substitution_feeds() -> None:
    """What runs a download's output is known when it is no pipe, too."""
    for text in ('sh -c "$(curl x)"', "sh <(curl x)", "sh -c `curl x`"):
        curl = next(one for one in read(f"RUN {text}").commands if one.name == "curl")
        assert curl.feeds is not None
        assert curl.feeds.name == "sh"


def test_follows_pipes_out_of_groups() -> None:
    """What a group's commands write goes into the command behind the group."""
    found = {one.name: one for one in read("RUN (a; { b | c; }) | d").commands}
    assert [getattr(found[name].piped_into, "name", None) for name in "abcd"] == ["d", "c", "d", None]
    assert found["d"].piped_from is found["c"]


def test_names_the_constructs_around_a_command() -> None:
    """A command knows what it stands in, outermost first."""
    found = read(
        "RUN if a; then (b); fi; for x in 1; do c; done; f() { d; }; case x in y) e;; esac; $(g)"
    ).commands
    assert {one.name: one.inside for one in found if one.inside} == {
        "a": ("if",),
        "b": ("if", "subshell"),
        "c": ("for",),
        "d": ("function f",),
        "e": ("case",),
        "g": ("substitution",),
    }


def test_keeps_shell_options_in_force() -> None:
    """Options of set hold from there on, and end with their subshell."""
    found = read("RUN a; set -eux -o pipefail; b; (set +e; c); d; set +o pipefail; e").commands
    options = {one.name: one.shell_options for one in found}
    assert options["a"] == frozenset()
    assert options["b"] == options["d"] == {"e", "u", "x", "pipefail"}
    assert options["c"] == {"u", "x", "pipefail"}
    assert options["e"] == {"e", "u", "x"}


def test_takes_options_from_shell_instruction() -> None:
    """SHELL's own options are in force from the first command on."""
    found = read("RUN a | b", ("/bin/bash", "-eo", "pipefail", "-c"))
    assert found.commands[0].shell_options == {"e", "pipefail"}


def test_reads_heredoc_as_the_script() -> None:
    """A heredoc alone is the script, its places those of its own lines."""
    found = read("RUN <<EOF\n# x\na &&\n  b\nEOF")
    assert [(one.name, one.after, one.span.line, one.span.column) for one in found.commands] == [
        ("a", "", 4, 1),
        ("b", "&&", 5, 3),
    ]


def test_reads_heredoc_that_a_shell_reads() -> None:
    """A heredoc fed to a shell is a script; one fed to another program is text."""
    assert names("bash -e <<EOF\na\nEOF") == ["bash", "a"]
    assert names("cat <<EOF | sh\na\nEOF") == ["cat", "sh", "a"]
    assert names("python3 <<EOF\nimport a\nEOF") == ["python3"]
    assert names("cat <<EOF > x\na $(b)\nEOF") == ["cat", "b"]
    assert names("cat <<'EOF' > x\na $(b)\nEOF") == ["cat"]


@pytest.mark.parametrize(
    ("text", "shell", "reason"),
    [
        ("RUN Get-Item x", ("powershell", "-Command"), "SHELL is PowerShell, not a POSIX shell"),
        ("RUN dir", ("C:\\Windows\\System32\\cmd.exe", "/S", "/C"), "SHELL is the Windows command prompt"),
        ("RUN <<EOF\n#!/usr/bin/env python3\nimport x\nEOF", None, "the heredoc's interpreter is python3"),
    ],
)
def test_does_not_look_into_other_shells(text: str, shell: tuple[str, ...] | None, reason: str) -> None:
    """What no POSIX shell reads is marked so with the reason."""
    found = read(text, shell)
    assert not found.posix
    assert found.reason.startswith(reason)
    assert found.commands == ()


def test_reads_exec_form() -> None:
    """An exec form is one command, and the script in it is read."""
    found = read('CMD ["/bin/sh", "-c", "a \\"$b\\" && exec c"]')
    assert [one.name for one in found.commands] == ["sh", "a", "c"]
    assert [one.span.column for one in found.commands] == [6, 24, 36]


def test_reads_health_check() -> None:
    """The command of a health check is read in both forms; NONE has none."""
    assert [one.name for one in read("HEALTHCHECK --interval=5s CMD curl -f x || exit 1").commands] == [
        "curl",
        "exit",
    ]
    assert [one.name for one in read('HEALTHCHECK CMD ["curl", "x"]').commands] == ["curl"]
    assert read("HEALTHCHECK NONE").commands == ()


def test_reads_onbuild_trigger() -> None:
    """ONBUILD RUN is read as RUN."""
    assert [one.name for one in read("ONBUILD RUN a && b").commands] == ["a", "b"]


def test_locates_commands_across_continuations() -> None:
    """A command's place is that in the file, lines joined or not."""
    found = read("RUN a && \\\n  # note\n  sudo b \\\n    c").commands[1]
    assert tuple(found.span) == (4, 3, 5, 6)
    assert tuple(found.words[1].span) == (5, 5, 5, 6)


@pytest.mark.parametrize(
    "text", ["a 'b", "a )", "if a; then b", "a | | b", "a <", "$(a", "`a", "${a", "a <<E", "{ a"]
)
def test_notes_errors_and_keeps_commands(text: str) -> None:
    """What a shell would refuse is noted, and the commands before it are there."""
    found = read(f"RUN <<_\n{text}\n_")
    assert found.errors
    assert "a" in [one.name for one in found.commands] or "{" in text


def test_finds_what_find_runs() -> None:
    """A command of find -exec is a command."""
    assert argv("find / -name x -exec rm -rf {} +")[1] == ["rm", "-rf", "{}"]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("a -y", ("-y", "--yes"), True),
        ("a -qy", ("-y",), True),
        ("a -qO-", ("-q",), True),
        ("a -n1", ("-n",), True),
        ("a -x/y", ("-y",), False),
        ("a --yes", ("-y", "--yes"), True),
        ("a --yes=true", ("--yes",), True),
        ("a -- -y", ("-y",), False),
        ("a y", ("-y",), False),
    ],
)
def test_has_options(text: str, options: tuple[str, ...], *, expected: bool) -> None:
    """An option is found alone, in a cluster and with a value, but not behind --."""
    assert read(f"RUN {text}").commands[0].has(*options) is expected


@pytest.mark.parametrize("text", ["a -o x", "a -ox", "a -o=x", "a --out=x", "a --out x", "a -fo x", "a -fox"])
def test_gives_option_values(text: str) -> None:
    """An option's value is found in all spellings."""
    assert read(f"RUN {text}").commands[0].option("-o", "--out") == "x"


def places(text: str) -> list[tuple[str, int, int]]:
    """Give name, line and column of the commands of a file's last instruction."""
    found = script(parse(text).instructions[-1]).commands
    return [(one.name, one.span.line, one.span.column) for one in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "FROM a\nRUN cat <<A > x && b <<B | c\none $(d)\nA\ntwo\nB\n",
            [("cat", 2, 5), ("b", 2, 20), ("c", 2, 28), ("d", 3, 7)],
        ),
        ("FROM a\nONBUILD RUN <<-EOF\n\ta\n\t\tb c\n\tEOF\n", [("a", 3, 2), ("b", 4, 3)]),
        ("FROM a\r\nRUN <<E\r\nset -e\r\na b\r\nE\r\n", [("set", 3, 1), ("a", 4, 1)]),
        ("# escape=`\nFROM a\nRUN a `\n  && b", [("a", 3, 5), ("b", 4, 6)]),
        ("FROM a\nRUN sh -c 'a && \\\n  b'", [("sh", 2, 5), ("a", 2, 12), ("b", 3, 3)]),
        ("FROM a\nRUN cat <<E | bash\nx\nE", [("cat", 2, 5), ("bash", 2, 15), ("x", 3, 1)]),
        ('FROM a\nCMD ["sh", "-c", "\\ta\\n\\u0062"]', [("sh", 2, 6), ("a", 2, 21), ("b", 2, 24)]),
        ("FROM a\nRUN a # c \\\n && b", [("a", 2, 5)]),
    ],
)
def test_places_are_those_of_the_file(text: str, expected: list[tuple[str, int, int]]) -> None:
    """Heredocs, dropped tabs, line ends, escapes and nested scripts do not move a command's place."""
    assert places(text) == expected


@pytest.mark.parametrize(
    ("shell", "options"),
    [
        (("/bin/bash", "-o", "pipefail", "-c"), {"pipefail"}),
        (("/bin/sh", "-exc"), {"e", "x"}),
        (("conda", "run", "-n", "x", "/bin/bash", "-eo", "pipefail", "-c"), {"e", "pipefail"}),
    ],
)
def test_finds_the_posix_shell_in_shell_instruction(shell: tuple[str, ...], options: set[str]) -> None:
    """SHELL may start its POSIX shell through another program."""
    found = read("RUN a", shell)
    assert found.posix
    assert found.options == options


def test_reads_a_heredoc_by_its_interpreter() -> None:
    """A heredoc that names a POSIX shell runs with that one's options, whatever SHELL is."""
    found = read("RUN <<E\n#!/usr/bin/env -S bash -eu\na | b\nE", ("pwsh", "-c"))
    assert found.posix
    assert found.commands[0].shell_options == {"e", "u"}


def test_is_kept_with_its_instruction() -> None:
    """Asking again gives the same script."""
    (run,) = parse("FROM a\nRUN a").instructions[1:]
    assert script(run) is script(run)
    assert script(run) is not script(run, ("/bin/bash", "-c"))
