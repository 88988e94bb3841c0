"""Read a POSIX shell script, with bash's additions, into its simple commands.

One pass over the text, without recursion but for substitutions, whose nesting is bounded: nothing that stands in a
file can take more than linear time or the interpreter's stack. What a shell would refuse is noted, and reading
goes on at the next command.
"""

from __future__ import annotations

from dockproof.facts import shell_wrappers
from dockproof.facts.shell_lexer import (
    COMMENT,
    EXPANDS,
    MAX_NESTING,
    OPERATOR,
    TOKEN,
    WORD,
    Draft,
    WordReader,
)
from dockproof.facts.shell_words import Command, Pipeline, Redirect, ShellError, Source, Word, join
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CONTEXTS = 64
"""Enclosing constructs that a command remembers; deeper ones share what is known."""
MAX_SCRIPTS = 6
"""Scripts within scripts (`sh -c "sh -c …"`) that are looked into."""
MAX_ERRORS = 100
"""Errors of one script that are kept."""

_ASSIGNMENT = pattern(r"([A-Za-z_][A-Za-z_0-9]*+)(?:\[[^\]=]*\])?\+?=")
_BLANKS = pattern(r"[ \t]*+")
_LINES = pattern(r"(?:[ \t\r\n]++|\\\n|\#[^\n]*+)*+")
_LINE = pattern(r"\t*+([^\n]*+\n?)")
_TIME_OPTION = pattern(r"[ \t]+-p(?=[ \t])")
_PARENTHESES = pattern(r"(?:[ \t]*\([ \t]*\))?")
_EMPTY_PARENTHESES = pattern(r"[ \t]*\)")
_ENDS_CONDITION = frozenset({";", ";;", "&"})
_EXTGLOB = frozenset("?*+@!")


class Result:
    """What a script and the scripts within it hold, filled while they are read."""

    __slots__ = ("commands", "errors", "texts")

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.errors: list[ShellError] = []
        self.texts: list[tuple[Command, Word]] = []
        """Heredocs and here-strings, each with the command that reads it."""


class _Level:
    """The list of commands that is being read: the script's own, or that of a construct within it."""

    __slots__ = (
        "after",
        "alone",
        "closed",
        "first",
        "inside",
        "kind",
        "options",
        "outer",
        "pipeline",
        "position",
        "ready",
        "saves",
    )

    def __init__(self, kind: str, inside: tuple[str, ...], options: frozenset[str]) -> None:
        self.kind = kind
        self.inside = inside
        self.options = options
        self.pipeline: Pipeline | None = None
        self.alone: Command | None = None  # the command that a pipeline may begin with
        self.after = ""  # the operator that leads to the next command
        self.ready = False  # something stands after the last operator, so a newline ends it
        self.closed = False  # that something is a compound command: redirections and operators may follow
        self.outer: Pipeline | None = (
            None  # the pipeline that the construct is an element of, and its place there
        )
        self.position = 0
        self.first = 0  # the number of commands read before it
        self.saves = True  # what `set` changes within it ends with it


class _Heredoc(NamedTuple):
    delimiter: Word
    strip: bool
    command: Command | None
    body: list[Word]


def parse(
    source: Source, result: Result, inside: tuple[str, ...] = (), options: frozenset[str] = frozenset()
) -> None:
    """Read the script and those within it; append what is found to `result`, in the order of the text."""
    _Parser(source, result, _Level("", inside, options), None).read_all()
    for _ in range(MAX_SCRIPTS):
        if not result.texts:
            return
        texts, result.texts = result.texts, []
        for command, text in texts:
            _read_fed(command, text, result)


def parse_exec(source: Source, words: list[Word], result: Result) -> None:
    """Read a command whose words are known, that of an exec form."""
    parser = _Parser(source, result, _Level("", (), frozenset()), None)
    parser.begin(words[0].start)
    parser.words, parser.end = words, words[-1].end
    parser.finish()


def _read_fed(command: Command, text: Word, result: Result) -> None:
    """Read a heredoc or here-string as a script, where a shell reads it, behind that shell's own command."""
    shell = shell_wrappers.reader(command)
    if shell is None:
        return
    found = Result()
    level = _Level("", (*shell.inside[:MAX_CONTEXTS], "heredoc"), shell_wrappers.shell_options(shell))
    _Parser(join([text]), found, level, None).read_all()
    at = result.commands.index(shell) + 1
    result.commands[at:at] = found.commands
    result.errors += found.errors
    result.texts += found.texts


class _Parser(WordReader):
    """The reader of one text. `command` is the simple command being read, `level` the list that it stands in."""

    __slots__ = (
        "command",
        "end",
        "feeds",
        "function",
        "heredocs",
        "level",
        "open",
        "prefix",
        "result",
        "scripts",
        "stack",
        "words",
    )

    def __init__(self, source: Source, result: Result, level: _Level, feeds: Command | None) -> None:
        super().__init__(source, nesting=0)
        self.result = result
        self.level = level
        self.feeds = feeds
        self.scripts = 0
        self.stack: list[_Level] = []
        self.open: dict[str, int] = {}
        self.command: Command | None = None
        self.words: list[Word] = []
        self.end = 0  # of the last token of the command
        self.heredocs: list[_Heredoc] = []
        self.function = ""
        self.prefix: tuple[str, ...] = ()

    def inner(self, source: Source, level: _Level) -> _Parser:
        """Make a reader for a text within this one, one level deeper."""
        parser = _Parser(source, self.result, level, self.command)
        parser.nesting = self.nesting + 1
        parser.scripts = self.scripts
        return parser

    def error(self, message: str, offset: int) -> None:
        """Note what a shell would refuse."""
        if len(self.result.errors) < MAX_ERRORS:
            self.result.errors.append(ShellError(message, self.source, offset))

    # ---- tokens

    def read_all(self) -> None:
        """Read to the end of the text, whatever stands there."""
        self.read(0, substitution=False)
        self.finish_heredocs()

    def finish_heredocs(self) -> None:
        """Note the heredocs that the text ends before."""
        for heredoc in self.heredocs:
            self.error(f"no line {heredoc.delimiter.text!r} ends the heredoc", heredoc.delimiter.start)

    def read(self, position: int, *, substitution: bool) -> int:
        """Read a list of commands up to the end, or to the parenthesis that closes the substitution."""
        text, match, size, source = self.text, TOKEN.match, len(self.text), self.source
        while True:
            found = match(text, position)
            assert found is not None  # noqa: S101  # every part of the pattern is optional
            kind, position = found.lastindex, found.end()
            if kind == WORD:
                raw = found[WORD]
                if self.command is None:
                    position = self.plain_word(raw, position - len(raw), position)
                else:
                    self.words.append(Word(raw, position - len(raw), position, source))
                    self.end = position
            elif kind == OPERATOR:
                operator = found[OPERATOR]
                if operator == ")" and substitution and not self.open.get("subshell"):
                    break
                action = _OPERATORS.get(operator, _Parser.numbered)
                position = action(self, operator, position - len(operator), position)
            elif kind != COMMENT and position < size:
                position = self.complex_word(position)
            elif position >= size:
                if substitution:
                    self.error("no parenthesis closes the substitution", size)
                break
        self.finish_list()
        return position

    def plain_word(self, raw: str, start: int, end: int) -> int:
        """Take a plain word where a command begins: a reserved word, an assignment or the command's name."""
        if raw in _RESERVED:
            return _RESERVED[raw](self, raw, start, end)
        return self.add(Word(raw, start, end, self.source))

    def process(self, _operator: str, start: int, _end: int) -> int:
        """Take a process substitution, which is a word."""
        return self.complex_word(start)

    def complex_word(self, start: int) -> int:
        """Take a word with quotes or expansions in it."""
        if self.command is None:
            self.begin(start)
        word, _ = self.word(start)
        return self.add(word)

    def add(self, word: Word) -> int:
        """Add the word to the command as its name, an argument or an assignment in front of it."""
        command = self.command or self.begin(word.start)
        if self.words or "=" not in word.text or not self.assign(command, word):
            self.words.append(word)
        elif word.text.endswith("=") and self.text[word.end : word.end + 1] == "(":
            return self.array(word.end)
        self.end = word.end
        return word.end

    def assign(self, command: Command, word: Word) -> bool:
        """Take the word as an assignment, where it is one."""
        found = _ASSIGNMENT.match(self.text, word.start, word.end)
        if found is None:
            return False
        at = found.end() - word.start
        pieces = word.pieces and [
            (max(offset - at, 0), max(source, found.end()), opaque) for offset, source, opaque in word.pieces
        ]
        value = Word(word.text[at:], found.end(), word.end, self.source, literal=word.literal, pieces=pieces)
        command.add_assignment(found[1], value)
        return True

    def array(self, position: int) -> int:
        """Pass over the elements of an array, `(a b)`, that stands at `position`; their commands are read."""
        position += 1
        while True:
            word, position = self.loose_word(position)
            if word is not None:
                continue
            here = self.text[position : position + 1]
            position += 1
            if here == ")" or not here:
                break
        self.end = min(position, len(self.text))
        return self.end

    # ---- simple commands

    def begin(self, start: int) -> Command:
        """Begin a simple command, the next element of the level's pipeline."""
        level = self.level
        if level.closed:
            self.error("a word after a compound command", start)
            self.end_pipeline(";")
        pipeline = level.pipeline
        command = Command(
            self.source,
            start,
            level.after,
            level.inside,
            level.options,
            self.feeds,
            pipeline,
            level.outer,
            level.position,
        )
        if pipeline is None:
            level.alone = command
        else:
            pipeline.elements.append(command)
        self.result.commands.append(command)
        self.command = command
        self.words = []
        self.end = start
        self.function = ""
        level.ready = True
        return command

    def pipeline(self) -> Pipeline:
        """Begin the level's next pipeline."""
        level = self.level
        pipeline = level.pipeline = Pipeline(level.outer, level.position)
        return pipeline

    def finish(self) -> None:
        """End the simple command, if one is being read, and look into what it runs."""
        command = self.command
        if command is None:
            return
        command.end = self.end
        command.words = words = tuple(self.words)
        if words:
            path = command.path = words[0].text
            command.name = name = path.rpartition("/")[2] if "/" in path else path
            command.wrappers, self.prefix = self.prefix, ()
            if name in shell_wrappers.SPECIAL:
                self.look_into(command)
        self.command = None

    def look_into(self, command: Command) -> None:
        """Unwrap the command, keep the shell's options and read the scripts that it carries in its words."""
        shell_wrappers.unwrap(command)
        if command.name == "set":
            self.level.options = shell_wrappers.set_options(command, self.level.options)
        for words in shell_wrappers.execs(command):
            self.exec(command, words)
        for script in shell_wrappers.scripts(command):
            self.script(command, script)

    def exec(self, command: Command, words: tuple[Word, ...]) -> None:
        """Take what `find -exec` runs as a command of its own."""
        inside = (*command.inside, "find -exec")
        start, options, feeds = words[0].start, command.shell_options, self.feeds
        inner = Command(
            self.source, start, "", inside, options, feeds, None, command.pipeline, command.position
        )
        inner.words, inner.end, inner.path = words, words[-1].end, words[0].text
        inner.name = inner.path.rpartition("/")[2]
        self.result.commands.append(inner)
        if inside.count("find -exec") < MAX_SCRIPTS:
            self.look_into(inner)

    def script(self, command: Command, script: shell_wrappers.Script) -> None:
        """Read a script that stands in words of this one."""
        if self.scripts >= MAX_SCRIPTS:
            self.error("scripts are nested too deep to be looked into", command.start)
            return
        level = _Level("", (*command.inside[:MAX_CONTEXTS], script.label), script.options)
        level.outer, level.position = command.pipeline, command.position
        parser = _Parser(join(script.words), self.result, level, command.feeds)
        parser.nesting, parser.scripts = self.nesting, self.scripts + 1
        parser.read_all()

    # ---- lists and pipelines

    def operator(self, operator: str, start: int, end: int) -> int:
        """End a command at && || ; or &, or begin the pipeline's next element at a |."""
        self.finish()
        level = self.level
        if not level.ready and not (operator == ";" and self.stands_alone()):
            self.error(f"no command before {operator!r}", start)
        if operator in ("|", "|&"):
            if level.pipeline is None and level.alone is not None:
                level.pipeline = level.alone.pipeline
            level.after, level.ready, level.closed = "|", False, False
        else:
            self.end_pipeline(operator)
        return end

    def stands_alone(self) -> bool:
        """Whether `!` or `time` ends here without a command, which bash takes."""
        pipeline, timed = self.level.pipeline, bool(self.prefix)
        self.prefix = ()
        return timed or (pipeline is not None and pipeline.negated and not pipeline.elements)

    def newline(self, _operator: str, _start: int, end: int) -> int:
        """End the command, unless the line ends in an operator, and read the heredocs that it asked for."""
        self.finish()
        if self.level.ready:
            self.end_pipeline(";")
        return self.read_heredocs(end) if self.heredocs else end

    def end_pipeline(self, operator: str) -> None:
        """End the level's pipeline; `operator` leads to the next one."""
        level = self.level
        level.pipeline = level.alone = None
        level.ready = level.closed = False
        level.after = operator

    def finish_list(self) -> None:
        """End what is open at the end of a text or a substitution."""
        self.finish()
        while self.stack:
            self.error(f"{self.level.kind!r} has no end", self.end)
            self.leave()

    # ---- compound commands

    def enter(self, kind: str, label: str = "") -> None:
        """Begin a compound command, the next element of the level's pipeline."""
        outer = self.level
        if outer.closed:
            self.end_pipeline(";")
        pipeline = outer.pipeline or self.pipeline()
        labels = ((f"function {self.function}",) if self.function else ()) + ((label,) if label else ())
        deep = len(outer.inside) >= MAX_CONTEXTS
        level = _Level(kind, outer.inside if deep else outer.inside + labels, outer.options)
        level.outer, level.position = pipeline, len(pipeline.elements)
        if len(self.stack) >= MAX_CONTEXTS:
            level.outer, level.position = outer.outer, outer.position
        level.after = outer.after
        level.first = len(self.result.commands)
        level.saves = kind == "subshell" or bool(self.function)
        pipeline.elements.append(None)
        self.function = ""
        self.stack.append(outer)
        self.open[kind] = self.open.get(kind, 0) + 1
        self.level = level

    def leave(self) -> None:
        """End the innermost compound command."""
        inner, level = self.level, self.stack.pop()
        self.level = level
        self.open[inner.kind] -= 1
        level.ready = level.closed = True
        commands = self.result.commands
        if level.pipeline is not None and len(commands) > inner.first:
            level.pipeline.elements[-1] = (commands[inner.first], commands[-1])
        if not inner.saves:
            level.options = inner.options

    def close(self, kinds: tuple[str, ...], word: str, start: int, end: int) -> int:
        """End the compound command that `word` closes; what stands open within it is noted."""
        self.finish()
        if self.unwind(kinds, word, start):
            self.leave()
        return end

    def unwind(self, kinds: tuple[str, ...], word: str, start: int) -> bool:
        """End what stands open within the innermost construct of these kinds; False where there is none."""
        if not any(self.open.get(kind) for kind in kinds):
            self.error(f"{word!r} without its beginning", start)
            self.end_pipeline(";")
            return False
        while self.level.kind not in kinds:
            self.error(f"{self.level.kind!r} has no end before {word!r}", start)
            self.leave()
        return True

    def opens(self, word: str, _start: int, end: int) -> int:
        """Begin an if, a while or until loop, or a group in braces."""
        self.enter(word, "" if word == "{" else word)
        return end

    def turns(self, word: str, start: int, end: int) -> int:
        """Go on to the next part of an if or a loop."""
        if self.unwind(("if",) if word != "do" else _LOOPS, word, start):
            self.end_pipeline("")
        return end

    def closes(self, word: str, start: int, end: int) -> int:
        """End an if, a loop, a case or a group in braces."""
        return self.close(_CLOSED[word], word, start, end)

    def loop(self, word: str, _start: int, end: int) -> int:
        """Begin a for or select loop: `for x in a b`, `for ((…))`."""
        self.enter(word, word)
        self.level.ready = True
        arithmetic = _BLANKS.match(self.text, end)
        at = arithmetic.end() if arithmetic else end
        if self.text.startswith("((", at):
            return self.arithmetic(at) or end
        _, position = self.loose_word(end)
        item, after = self.loose_word(position)
        if item is None or item.text != "in":
            return position
        while item is not None:
            item, after = self.loose_word(after)
        return after

    def case(self, word: str, start: int, end: int) -> int:
        """Begin a case, up to the end of its first pattern."""
        self.enter(word, word)
        _, position = self.loose_word(end)
        keyword, after = self.loose_word(self.skip_lines(position))
        if keyword is None or keyword.text != "in":
            self.error("a case without 'in'", start)
            return position
        return self.patterns(after)

    def next_case(self, operator: str, start: int, end: int) -> int:
        """Go on to the next branch of a case at ;; ;& or ;;&."""
        self.finish()
        if not self.unwind(("case",), operator, start):
            return end
        self.end_pipeline("")
        return self.patterns(end)

    def patterns(self, position: int) -> int:
        """Pass over a branch's patterns, `a|b)`."""
        position = start = self.skip_lines(position)
        if self.text.startswith("(", position):
            position += 1
        while True:
            word, position = self.loose_word(position)
            if word is not None and word.raw == "esac" and word.start == start:
                return self.close(("case",), "esac", start, position)
            here = self.text[position : position + 1]
            if here == "(" and self.text[position - 1] in _EXTGLOB:
                position = self.text.find(")", position) + 1 or len(self.text)
                continue
            if here == ")":
                return position + 1
            if here not in ("|", "(") and word is None:
                if here:
                    self.error("a case's pattern without its parenthesis", position)
                return position
            position += here in ("|", "(")

    def opening(self, operator: str, start: int, end: int) -> int:
        """Take a parenthesis: a subshell, arithmetic, a function's or an array's."""
        if self.command is not None:
            return self.parenthesis_in_command(start, end)
        if self.text.startswith("((", start):
            after = self.arithmetic(start)
            if after:
                self.level.ready = self.level.closed = True
                return after
        self.enter("subshell", "subshell")
        return end

    def parenthesis_in_command(self, start: int, end: int) -> int:
        """Take a parenthesis after a word: `f()`, `A=(…)` or a pattern as `!(x)`; anything else is an error."""
        found = _EMPTY_PARENTHESES.match(self.text, end)
        if found and len(self.words) == 1 and self.result.commands[-1] is self.command:
            return self.named_function(self.words[0].text, found.end())
        if self.end == start and self.words:
            if self.words[-1].text.endswith("="):
                return self.array(start)
            if self.text[start - 1] in _EXTGLOB:
                return self.pattern(end)
        self.error("a parenthesis within a command", start)
        return end

    def named_function(self, name: str, end: int) -> int:
        """Take back the command that turned out to be a function's name."""
        self.result.commands.pop()
        self.level.alone = None
        if self.level.pipeline is not None:
            self.level.pipeline.elements.pop()
        self.command = None
        self.level.ready = False
        self.function = name
        return end

    def pattern(self, end: int) -> int:
        """Extend the last word by bash's extended pattern up to its parenthesis."""
        last = self.words.pop()
        close = self.text.find(")", end) + 1 or len(self.text)
        raw = self.text[last.end : close]
        pieces = [*(last.pieces or [(0, last.start, False)]), (len(last.text), last.end, False)]
        self.words.append(
            Word(last.text + raw, last.start, close, self.source, literal=last.literal, pieces=pieces)
        )
        self.end = close
        return close

    def keyword_function(self, _word: str, _start: int, end: int) -> int:
        """Take `function name` with or without parentheses."""
        name, end = self.loose_word(end)
        found = _PARENTHESES.match(self.text, end)
        self.function = name.text if name else ""
        return found.end() if found else end

    def closing(self, operator: str, start: int, end: int) -> int:
        """End a subshell."""
        return self.close(("subshell",), operator, start, end)

    def negation(self, _word: str, _start: int, end: int) -> int:
        """Take `!` in front of a pipeline."""
        (self.level.pipeline or self.pipeline()).negated = True
        return end

    def timing(self, _word: str, _start: int, end: int) -> int:
        """Take the reserved word `time` in front of a pipeline."""
        self.prefix = ("time",)
        found = _TIME_OPTION.match(self.text, end)
        return found.end() if found else end

    def conditional(self, raw: str, start: int, end: int) -> int:
        """Read bash's `[[ … ]]` as one command, whose operators are words."""
        self.begin(start)
        self.words.append(Word(raw, start, end, self.source))
        while True:
            word, position = self.loose_word(end)
            if word is None:
                found = TOKEN.match(self.text, position)
                if found and found[OPERATOR] == "\n":
                    end = found.end()
                    continue
                if found is None or not found[OPERATOR] or found[OPERATOR] in _ENDS_CONDITION:
                    self.error("no ]] ends the condition", start)
                    return self.ended(position)
                word, position = Word(found[OPERATOR], position, found.end(), self.source), found.end()
            self.words.append(word)
            end = position
            if word.text == "]]":
                return self.ended(end)

    def ended(self, position: int) -> int:
        """Note that the command reaches up to here."""
        self.end = position
        return position

    def skip_lines(self, position: int) -> int:
        """Pass over blanks, newlines and comments."""
        found = _LINES.match(self.text, position)
        return found.end() if found else position

    # ---- substitutions

    def substituted(self) -> _Level:
        """Make the level for a substitution's commands."""
        inside = self.level.inside
        return _Level(
            "", inside if len(inside) >= MAX_CONTEXTS else (*inside, "substitution"), self.level.options
        )

    def commands(self, position: int) -> int:
        """Read the commands of a substitution that begins before `position`, and its parenthesis."""
        inner = self.inner(self.source, self.substituted())
        inner.heredocs = self.heredocs
        return inner.read(position, substitution=True)

    def text_of_commands(self, source: Source) -> None:
        """Read the commands of a substitution that is a text of its own."""
        self.inner(source, self.substituted()).read_all()

    def expansions(self, source: Source, draft: Draft) -> int:
        """Read a text as if in double quotes, one level deeper, into the draft; return where it ends."""
        return self.expand(source, draft, self.command)

    def expand(self, source: Source, draft: Draft, command: Command | None) -> int:
        """Read the expansions of a text that the command is given."""
        inner = self.inner(source, _Level("", self.level.inside, self.level.options))
        inner.command = command
        end = inner.quoted(0, draft, closer="")
        inner.finish_heredocs()
        return end

    # ---- redirections

    def redirect(self, operator: str, start: int, end: int) -> int:
        """Take a redirection; `start` is where its file descriptor or operator stands."""
        level = self.level
        command = self.command or (None if level.closed else self.begin(start))
        target, position = self.loose_word(end)
        if target is None:
            self.error(f"no file after {operator!r}", start)
            return position
        digits = self.text[start:end].rstrip("<>&|-")
        body: list[Word] = []
        redirect = Redirect(int(digits[:9]) if digits else None, operator, target, start, position, body)
        self.keep(redirect, command)
        if operator in ("<<", "<<-"):
            self.heredocs.append(_Heredoc(target, operator == "<<-", command, body))
        elif operator == "<<<" and command is not None:
            self.result.texts.append((command, target))
        return self.ended(position)

    def numbered(self, operator: str, start: int, end: int) -> int:
        """Take a redirection of a numbered file descriptor, `2>`."""
        return self.redirect(operator.lstrip("0123456789"), start, end)

    def keep(self, redirect: Redirect, command: Command | None) -> None:
        """Add the redirection to its command, or to the pipeline of its compound command."""
        if command is None:
            if self.level.pipeline is not None:
                self.level.pipeline.redirects += (redirect,)
            return
        command.add_redirect(redirect)

    def read_heredocs(self, position: int) -> int:
        """Read the bodies that the line above asked for."""
        heredocs, self.heredocs[:] = list(self.heredocs), []
        for heredoc in heredocs:
            end, after = self.heredoc_end(position, heredoc.delimiter.text, strip=heredoc.strip)
            if after is None:
                self.error(f"no line {heredoc.delimiter.text!r} ends the heredoc", heredoc.delimiter.start)
            body = self.heredoc_body(heredoc, position, end)
            heredoc.body.append(body)
            if heredoc.command is not None:
                self.result.texts.append((heredoc.command, body))
            position = end if after is None else after
        return position

    def heredoc_end(self, position: int, delimiter: str, *, strip: bool) -> tuple[int, int | None]:
        """Find the line that ends the heredoc: where it begins, and where the next one does."""
        text, size = self.text, len(self.text)
        while position < size:
            end = text.find("\n", position)
            end = size if end < 0 else end
            line = text[position:end].rstrip("\r")
            if (line.lstrip("\t") if strip else line) == delimiter:
                return position, min(end + 1, size)
            position = end + 1
        return size, None

    def heredoc_body(self, heredoc: _Heredoc, start: int, end: int) -> Word:
        """Make the word of a heredoc's body; the substitutions of an unquoted one are read."""
        draft = Draft()
        if heredoc.strip:
            for line in _LINE.finditer(self.text, start, end):
                draft.add(line[1], line.start(1))
        else:
            draft.add(self.text[start:end], start)
        body = draft.word(start, end, self.source)
        quoted = heredoc.delimiter.raw != heredoc.delimiter.text
        return body if quoted else self.expanded(body, heredoc.command)

    def expanded(self, body: Word, command: Command | None) -> Word:
        """Read the expansions of a heredoc's body, as the shell does in double quotes."""
        if self.nesting >= MAX_NESTING or not EXPANDS.search(body.text):
            return body
        source, draft = join([body]), Draft()
        end = self.expand(source, draft, command)
        return draft.word(0, end, source)


_LOOPS = ("for", "select", "while", "until")
_CLOSED = {"fi": ("if",), "done": _LOOPS, "esac": ("case",), "}": ("{",)}
_RESERVED: dict[str, Callable[[_Parser, str, int, int], int]] = {
    **dict.fromkeys(("if", "while", "until", "{"), _Parser.opens),
    **dict.fromkeys(("then", "else", "elif", "do"), _Parser.turns),
    **dict.fromkeys(_CLOSED, _Parser.closes),
    **dict.fromkeys(("for", "select"), _Parser.loop),
    "case": _Parser.case,
    "function": _Parser.keyword_function,
    "!": _Parser.negation,
    "time": _Parser.timing,
    "[[": _Parser.conditional,
}
_OPERATORS: dict[str, Callable[[_Parser, str, int, int], int]] = {
    **dict.fromkeys(("&&", "||", ";", "&", "|", "|&"), _Parser.operator),
    **dict.fromkeys((";;", ";&", ";;&"), _Parser.next_case),
    **dict.fromkeys(
        ("<", ">", ">>", "<<", "<<-", "<<<", "<&", ">&", "<>", ">|", "&>", "&>>"), _Parser.redirect
    ),
    **dict.fromkeys(("<(", ">("), _Parser.process),
    "\n": _Parser.newline,
    "(": _Parser.opening,
    ")": _Parser.closing,
}
