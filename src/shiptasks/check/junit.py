"""Reads JUnit XML as test runners write it, each in its own way: pytest, vitest, jest, go-junit-report, Surefire.

Names become those that a person would type or look for. A report comes from a process that may be anything: document
types and entities are refused, so that a small file never becomes a large one, and nothing of another file is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from xml.parsers import expat

from shiptasks.check.preset import Unreadable
from shiptasks.check.reports import Outcome, TestCase, TestReport

_MESSAGE_LINES, _MESSAGE_LENGTH = 20, 2_000
_TEXT = 200_000  # characters of one failure's text that are looked at
_RESULTS = ("failure", "error", "skipped", "flakyFailure", "flakyError")
_NOT_RUN = ("notrun", "skipped", "disabled", "ignored")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?")
_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]*)?(?:[eE]-?[0-9]{1,2})?|\.[0-9]+")


@dataclass
class _Found:
    """A testcase as it stands in the report."""

    attributes: dict[str, str]
    suite: str
    suite_file: str
    results: list[tuple[str, str, str]] = field(default_factory=list)  # kind, message, text


def read(path: Path, root: Path, base: Path | None = None) -> TestReport:
    """The tests of the report at `path`, which ran in `base` (`root` when None); their files are relative to `root`.

    Raises Unreadable when there is no report, or when it is anything else than a whole one.
    """
    reader = _Reader()
    try:
        with path.open("rb") as stream:
            reader.parser.ParseFile(stream)
    except FileNotFoundError:
        raise Unreadable(f"there is no report {path.name}: it was not written") from None
    except OSError as error:
        raise Unreadable(f"the report {path.name} cannot be read: {error.strerror}") from None
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise Unreadable(f"the report {path.name} is no whole XML: {error}") from None
    places = _Places(root, base or root)
    return TestReport(tuple(_case(found, places) for found in reader.cases))


class _Reader:
    """Collects the testcases of suites however deep."""

    def __init__(self) -> None:
        self.cases: list[_Found] = []
        self._stack: list[str] = []
        self._suites: list[tuple[str, str]] = []  # name, file
        self._case: _Found | None = None
        self._message = ""
        self._text: list[str] | None = None
        self._length = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _refuse(self, *_: Any) -> None:
        raise Unreadable("the report has a document type: no test runner writes one, and entities are not read")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if not self._stack and name not in ("testsuites", "testsuite"):
            raise Unreadable(f"the report is XML, and no JUnit report: it begins with <{name[:40]}>")
        self._stack.append(name)
        if name == "testsuite":
            around = self._suites[-1][1] if self._suites else ""
            self._suites.append((attributes.get("name", ""), attributes.get("file", around)))
        elif name == "testcase":
            suite, file = self._suites[-1] if self._suites else ("", "")
            self._case = _Found(attributes, suite, file)
            self.cases.append(self._case)
        elif name in _RESULTS and self._case is not None:
            self._message = attributes.get("message", "")
            self._text, self._length = [], 0

    def _end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        self._stack.pop()
        if name == "testsuite" and self._suites:
            self._suites.pop()
        elif name == "testcase":
            self._case = None
        elif name in _RESULTS and self._case is not None and self._text is not None:
            self._case.results.append((name, self._message, "".join(self._text)))
            self._text = None

    def _data(self, data: str) -> None:
        if self._text is not None and self._length < _TEXT:
            self._text.append(data[: _TEXT - self._length])
            self._length += len(data)


class _Places:
    """Finds the files that reports name: relative to where the tool ran, or to a folder above, up to the root."""

    def __init__(self, root: Path, base: Path) -> None:
        self._root = root
        between = [base, *base.parents]
        self._bases = between[: between.index(root) + 1] if root in between else [base, root]
        self._known: dict[str, str] = {}

    def file(self, name: str) -> str:
        """The file's path relative to the root; empty when there is no such file in it."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> str:
        if not name or "\0" in name or len(name) > 1_000:
            return ""
        for base in self._bases:
            path = base / name
            try:
                if path.is_file():
                    return path.resolve().relative_to(self._root.resolve()).as_posix()
            except (OSError, ValueError):
                continue
        return ""


def _case(found: _Found, places: _Places) -> TestCase:
    attributes = found.attributes
    name, group = attributes.get("name", ""), attributes.get("classname", "")
    written = attributes.get("file") or found.suite_file or (group if "/" in group or "." in group else "")
    outcome, message, text = _outcome(found)
    line = _whole(attributes.get("line", ""))
    is_pytest = found.suite == "pytest" or _dotted(written) == group[: len(_dotted(written))] != ""
    if is_pytest:
        if not group and not attributes.get("file"):  # a file that could not be loaded
            written = name.replace(".", "/") + ".py"
        elif not attributes.get("file"):
            written = ""
        line += 1 if "line" in attributes else 0  # pytest counts from 0
        if message == "collection failure":
            message = "\n".join(re.findall(r"^E +(.*)$", text, re.MULTILINE)) or message
    file = places.file(written)
    return TestCase(
        name=_pytest_name(name, group, file, written) if is_pytest else _name(name, group, file, found.suite),
        seconds=_seconds(attributes.get("time", "")),
        outcome=outcome,
        message=_shortened(message, text),
        file=file,
        line=(_line_of(file, written, text) or line) if file else 0,
    )


def _outcome(found: _Found) -> tuple[Outcome, str, str]:
    """How it ended, with message and text of what says so. A failure outweighs all; Surefire tells flaky ones."""
    for kinds, outcome in (
        (("failure", "error"), "failed"),
        (("flakyFailure", "flakyError"), "flaky"),
        (("skipped",), "skipped"),
    ):
        for kind, message, text in found.results:
            if kind in kinds:
                return outcome, message, text  # type: ignore[return-value]
    status = found.attributes.get("status", "").lower()
    return ("skipped" if status in _NOT_RUN else "passed"), "", ""


def _dotted(file: str) -> str:
    return ".".join(PurePosixPath(file[:-3]).parts) if file.endswith(".py") else ""


def _pytest_name(name: str, group: str, file: str, written: str) -> str:
    """`tests/test_api.py::TestCart::test_add[1]`."""
    if not group:
        return file or name or "unnamed"
    module = _dotted(written)
    if module and (group == module or group.startswith(f"{module}.")):
        classes = [part for part in group[len(module) :].split(".") if part]
        return "::".join((file or written, *classes, name))
    return f"{group}::{name}"


def _name(name: str, group: str, file: str, suite: str) -> str:
    """`src/cart.test.ts > adds > one` of vitest; `adds one` of jest; `com.acme.CartTest.adds` of others."""
    if _is_script(group):
        where = file or group
        return f"{where} > {name}" if name and name != group else where
    group = group or suite
    if not name or name.startswith(group):
        return name or group or "unnamed"
    return f"{group}.{name}"


def _is_script(group: str) -> bool:
    """Whether the class of a test is the path of its file, as vitest writes it."""
    return re.fullmatch(r".+\.[cm]?[jt]sx?", group) is not None


def _line_of(file: str, written: str, text: str) -> int:
    """The line of the file that the failure's text names first."""
    for name in dict.fromkeys((written, file)):
        found = re.search(rf"(?<![\w.-]){re.escape(name)}:([0-9]{{1,7}})(?![0-9])", text)
        if found:
            return int(found[1])
    return 0


def _shortened(message: str, text: str) -> str:
    says_nothing = message.strip().lower() in ("", "failed")  # as that of Go does
    lines = (text if says_nothing and text.strip() else message).strip().splitlines()
    return "\n".join(line.rstrip() for line in lines[:_MESSAGE_LINES])[:_MESSAGE_LENGTH]


def _whole(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


def _seconds(text: str) -> float:
    """`1.5`, `1,234.5` and `1,5`; 0 for what is no time."""
    text = text.strip()
    text = text.replace(",", "") if _THOUSANDS.fullmatch(text) else text.replace(",", ".")
    return float(text) if _NUMBER.fullmatch(text) else 0.0
