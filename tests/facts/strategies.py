"""Hypothesis strategies that write Dockerfiles: a grammar of every construct, and a soup of tokens.

The grammar writes files near enough to sense that BuildKit accepts many; the soup finds the corners.
"""

from __future__ import annotations

from hypothesis import strategies as st

KEYWORDS = [
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER",
    "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
]  # fmt: skip

_BLANK = st.sampled_from([" ", " ", " ", "  ", "\t", "\v", "\f", " \t "])
_ODD_SPACE = st.sampled_from(
    ["\xa0", "\x85", "\u2028", "\u3000", "\x1c", "\x1f", "\u200b", "\ufeff", "\r", "\x00"]
)
_WORD = st.sampled_from(
    [
        "a", "b", "x=1", "y=", "=z", "u", "/app", ".", "8080/tcp", "$V", "${V:-w}", "${V", "\\$V", "a\\ b",
        "-", "--",
        "'q r'", '"s t"', "'open", '"open', "don't", "a\\", "a`", "[", "]", "[x]", "#", "#c", "as", "AS",
        "CMD", "NONE",
        "é", "ß", "\u0130", "x\\\\", "`x", "<<", "<", "&&", "|", ";", "${X^}", "$((1<<2))", "\\<<E",
        "'<<E'", "<<<E",
    ]
)  # fmt: skip
_FLAG = st.sampled_from(
    [
        "--from=b", "--link", "--link=true", "--mount=type=cache,target=/x", "--chown=1:1",
        "--platform=$P", "--x", "--",
        "--a='b c'", '--a="b', "--a=b\\ c", "--a=\\", "--é=ü", "--interval=5s", "--retries=3", "---",
        "--=", "--'q'",
    ]
)  # fmt: skip
_JSON = st.sampled_from(
    [
        '["a"]', '["a", "b c"]', "[]", "[ ]", '["a",]', '["a"', "['a']", '["a", 1]', '["a", ["b"]]',
        "[1e999]", "[NaN]",
        '["\\u00e9\\ud800"]', '["a\\"b"]', '[ "a" , "b" ] ', '["a"] x', '["\t"]', "[null]", "[true]",
        '[{"a": 1}]', "[[",
        '["<<E"]', "[-0]", "[01]", "[1.]", "[.5]", '["\\x"]', "[Infinity]", '["a"\n]',
    ]
)  # fmt: skip
_HEREDOC = st.sampled_from(
    [
        "<<E",
        "<<-E",
        "<<'E'",
        '<<"E"',
        "3<<E",
        "<<E <<F",
        "<<$E",
        "<<'E F'",
        "<<E>f",
        "<<E'F'",
        "<<\\E",
        "<<${E}",
        "<<E;",
    ]
)
_BODY = st.sampled_from(
    [
        "id",
        "USER root",
        "# c",
        "",
        " ",
        "\tE",
        "E",
        "E",
        "F",
        "\tE",
        " E",
        "E ",
        "$E",
        "E F",
        "EF",
        "x \\",
        "FROM y",
        "${E}",
        "E>f",
    ]
)


def casings(keyword: str) -> st.SearchStrategy[str]:
    """A keyword in several casings."""
    return st.sampled_from([keyword, keyword, keyword, keyword.lower(), keyword.title()])


def _breaks(escape: str) -> st.SearchStrategy[str]:
    """What may stand between two words: mostly a blank, else a continuation of some kind."""
    ends = [
        f" {escape}\n", f"{escape}\n", f" {escape} \n ", f" {escape}\t\n", f" {escape}\n# c\n",
        f" {escape}\n\n  ",
        f" {escape}\n  # d {escape}\n \n", f"{escape}{escape}\n", f" {escape}\f\n", f" {escape}\r\n",
        f" {escape}\xa0\n",
        f"\n{escape}\n",
    ]  # fmt: skip
    return st.one_of(_BLANK, _BLANK, _BLANK, st.sampled_from(ends), _ODD_SPACE)


@st.composite
def instructions(draw: st.DrawFn, escape: str = "\\") -> str:
    """One instruction with its line end, and here-document bodies where it opens some."""
    keyword = draw(
        st.one_of(st.sampled_from(KEYWORDS), st.sampled_from(["FOO", "u\u017fer", "R", "MA\u0130NTAINER"]))
    )
    parts = [draw(casings(keyword))]
    if keyword == "ONBUILD":
        parts.append(draw(casings(draw(st.sampled_from(KEYWORDS)))))
    parts += draw(st.lists(_FLAG, max_size=2))
    parts += draw(st.one_of(st.lists(_WORD, max_size=4), _JSON.map(lambda text: [text])))
    opened = draw(st.booleans()) and draw(st.booleans())
    if opened:
        parts.insert(draw(st.integers(1, len(parts))), draw(_HEREDOC))
    text = "".join(part + draw(_breaks(escape)) for part in parts[:-1]) + parts[-1]
    body = "".join(f"{line}\n" for line in draw(st.lists(_BODY, max_size=4))) + "E\n" if opened else ""
    return f"{text}\n{body}"


_HEAD = st.sampled_from(
    [
        "", "", "", "# escape=`\n", "# syntax=a/b:1\n", "# syntax=a\n# escape=`\n", "#escape = \\\n",
        "# ESCAPE=`\n", "# c\n",
        "\n# escape=`\n", "# escape=x\n", "# escape=`\n# escape=`\n", "# syntax=\n# escape=`\n",
        "# foo=bar\n# escape=`\n",
        "\ufeff", "\ufeff# escape=`\n", "#\xa0escape=`\n", "#!/x\n",
    ]
)  # fmt: skip
_BETWEEN = st.sampled_from(["", "", "", "\n", "# c\n", "  # d \\\n", " \n", "\f\n", "\t"])


@st.composite
def dockerfiles(draw: st.DrawFn) -> str:
    """A whole file of the grammar, with either line end, with or without a last one."""
    head = draw(_HEAD)
    escape = "`" if "`" in head else draw(st.sampled_from(["\\", "\\", "\\", "`"]))
    text = head + draw(st.sampled_from(["FROM a\n", "FROM a AS b\n", ""]))
    for _ in range(draw(st.integers(0, 5))):
        text += draw(_BETWEEN) + draw(instructions(escape))
    if draw(st.integers(0, 5)) == 0:
        text = text.replace("\n", "\r\n")
    return text if draw(st.integers(0, 3)) else text.rstrip("\r\n")


_TOKENS = [
    "FROM", "RUN", "COPY", "ENV", "ARG", "LABEL", "ONBUILD", "HEALTHCHECK", "CMD", "USER", "EXPOSE", "NONE", "a", "b",
    " ", " ", " ", "\n", "\n", "\n", "\r\n", "\t", "\f", "\v", "\xa0", "\x1c", "\x00", "\ufeff", "é", "\\", "\\\n", "`",
    "`\n", "<<E", "<<-E", "\nE\n", "\n\tE\n", "E", "<", "'", '"', "#", "# c\n", "=", "--", "--x=", "-", "[", "]",
    '["a"]', ",", ":", "$", "${", "}", "/", "# escape=`\n", "# syntax=x\n",
]  # fmt: skip


def soups() -> st.SearchStrategy[str]:
    """Tokens in any order."""
    return st.lists(st.sampled_from(_TOKENS), max_size=25).map("".join)


def texts() -> st.SearchStrategy[str]:
    """Either kind."""
    return st.one_of(dockerfiles(), soups().map(lambda soup: f"FROM a\n{soup}"), soups())
