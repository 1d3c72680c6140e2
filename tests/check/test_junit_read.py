"""JUnit reports of runners that write them each in its own way, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.check import junit
from shiptasks.check.preset import Unreadable
from shiptasks.check.reports import TestCase, TestReport


def read(tmp_path: Path, text: str | bytes, *files: str, base: str = ".") -> TestReport:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    report = tmp_path / "junit.xml"
    report.write_bytes(text if isinstance(text, bytes) else text.encode())
    return junit.read(report, tmp_path, tmp_path / base)


def only(tmp_path: Path, text: str, *files: str, base: str = ".") -> TestCase:
    (case,) = read(tmp_path, text, *files, base=base).cases
    return case


def test_pytest(tmp_path: Path) -> None:
    report = read(
        tmp_path,
        """<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" tests="3">
        <testcase classname="tests.test_a.TestCart" name="test_add[1-x]" file="tests/test_a.py" line="4" time="0.25" />
        <testcase classname="tests.test_a" name="test_bad" file="tests/test_a.py" line="9" time="1.5">
        <failure message="assert 1 == 2">def test_bad():
        tests/test_a.py:12: in test_bad
            helper()
        tests/test_a.py:3: AssertionError</failure></testcase>
        <testcase classname="tests.test_a" name="test_skip" file="tests/test_a.py" line="20" time="0.0">
        <skipped type="pytest.skip" message="not here">tests/test_a.py:21: not here</skipped></testcase>
        <testcase classname="" name="tests.test_b" time="0.0"><error message="collection failure">Traceback:
tests/test_b.py:1: in &lt;module&gt;
E   ModuleNotFoundError: No module named 'nothing'</error></testcase>
        </testsuite></testsuites>""",
        "tests/test_a.py",
        "tests/test_b.py",
    )
    assert report.cases == (
        TestCase("tests/test_a.py::TestCart::test_add[1-x]", 0.25, "passed", "", "tests/test_a.py", 5),
        TestCase("tests/test_a.py::test_bad", 1.5, "failed", "assert 1 == 2", "tests/test_a.py", 12),
        TestCase("tests/test_a.py::test_skip", 0.0, "skipped", "not here", "tests/test_a.py", 21),
        TestCase(
            "tests/test_b.py", 0.0, "failed", "ModuleNotFoundError: No module named 'nothing'", "tests/test_b.py", 1
        ),
    )


def test_pytest_in_the_folder_of_a_service(tmp_path: Path) -> None:
    case = only(
        tmp_path,
        '<testsuite name="pytest"><testcase classname="tests.test_a" name="test_x" file="tests/test_a.py" line="0"/>'
        "</testsuite>",
        "api/tests/test_a.py",
        base="api",
    )
    assert (case.name, case.file, case.line) == ("api/tests/test_a.py::test_x", "api/tests/test_a.py", 1)


def test_pytest_whose_root_is_above_the_folder_where_it_ran(tmp_path: Path) -> None:
    case = only(
        tmp_path,
        '<testsuite name="pytest"><testcase classname="api.tests.test_a" name="test_x" file="api/tests/test_a.py"'
        ' line="7"/></testsuite>',
        "api/tests/test_a.py",
        base="api",
    )
    assert (case.name, case.line) == ("api/tests/test_a.py::test_x", 8)


def test_vitest(tmp_path: Path) -> None:
    report = read(
        tmp_path,
        """<testsuites name="vitest tests"><testsuite name="src/cart.test.ts">
        <testcase classname="src/cart.test.ts" name="cart &gt; adds" time="0.001"></testcase>
        <testcase classname="src/cart.test.ts" name="cart &gt; is wrong" time="0.005">
        <failure message="expected 3 to be 4" type="AssertionError">AssertionError
         ❯ src/cart.test.ts:6:23</failure></testcase>
        <testcase classname="src/cart.test.ts" name="cart &gt; later" time="0"><skipped/></testcase>
        <testcase classname="src/broken.test.ts" name="src/broken.test.ts" time="0"><error message="Parse"/></testcase>
        </testsuite></testsuites>""",
        "web/src/cart.test.ts",
        base="web",
    )
    assert report.cases == (
        TestCase("web/src/cart.test.ts > cart > adds", 0.001, "passed", "", "web/src/cart.test.ts"),
        TestCase(
            "web/src/cart.test.ts > cart > is wrong", 0.005, "failed", "expected 3 to be 4", "web/src/cart.test.ts", 6
        ),
        TestCase("web/src/cart.test.ts > cart > later", 0.0, "skipped", "", "web/src/cart.test.ts"),
        TestCase("src/broken.test.ts", 0.0, "failed", "Parse"),
    )


def test_jest(tmp_path: Path) -> None:
    case = only(
        tmp_path,
        '<testsuites name="jest tests"><testsuite name="cart"><testcase classname="cart adds" name="cart adds"'
        ' time="0.01"><failure>Error: no\n at src/a.test.js:3:1</failure></testcase></testsuite></testsuites>',
    )
    assert (case.name, case.outcome, case.message) == ("cart adds", "failed", "Error: no\n at src/a.test.js:3:1")


def test_go(tmp_path: Path) -> None:
    case = only(
        tmp_path,
        '<testsuites><testsuite name="shop/api"><testcase name="TestAdd/one" classname="shop/api" time="0.000">'
        '<failure message="Failed"><![CDATA[add_test.go:7: 1 != <2> & so]]></failure></testcase></testsuite>'
        "</testsuites>",
    )
    assert (case.name, case.message) == ("shop/api.TestAdd/one", "add_test.go:7: 1 != <2> & so")


def test_surefire(tmp_path: Path) -> None:
    report = read(
        tmp_path,
        """<testsuite name="com.acme.CartTest" time="1,234.5"><properties><property name="a" value="b"/></properties>
        <testcase name="adds" classname="com.acme.CartTest" time="1,234.5"/>
        <testcase name="slow" classname="com.acme.CartTest" time="1,5">
          <flakyFailure message="timeout" type="T"><stackTrace><![CDATA[at x]]></stackTrace></flakyFailure></testcase>
        <testcase name="bad" classname="com.acme.CartTest"><rerunFailure message="again"/>
          <error type="NullPointerException"><![CDATA[java.lang.NullPointerException
	at com.acme.Cart.add(Cart.java:3)]]></error><system-out>noise</system-out></testcase>
        </testsuite>""",
    )
    assert [(case.name, case.seconds, case.outcome, case.message) for case in report.cases] == [
        ("com.acme.CartTest.adds", 1234.5, "passed", ""),
        ("com.acme.CartTest.slow", 1.5, "flaky", "timeout"),
        (
            "com.acme.CartTest.bad",
            0.0,
            "failed",
            "java.lang.NullPointerException\n\tat com.acme.Cart.add(Cart.java:3)",
        ),
    ]


def test_suites_in_suites_and_attributes_that_are_missing(tmp_path: Path) -> None:
    report = read(
        tmp_path,
        '<testsuites><testsuite name="a" file="x.rb"><testsuite name="b"><testcase name="one"/></testsuite>'
        '<testcase status="notrun"/></testsuite><testsuite/></testsuites>',
        "x.rb",
    )
    assert [(case.name, case.outcome, case.file) for case in report.cases] == [
        ("b.one", "passed", "x.rb"),
        ("a", "skipped", "x.rb"),
    ]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("", 0),
        ("nan", 0),
        ("inf", 0),
        ("-1", 0),
        ("1.5s", 0),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("12,345,678.5", 12345678.5),
    ],
)
def test_times(tmp_path: Path, written: str, seconds: float) -> None:
    assert only(tmp_path, f'<testsuite><testcase name="a" time="{written}"/></testsuite>').seconds == seconds


def test_messages_are_the_first_lines(tmp_path: Path) -> None:
    text = "\n".join(f"line {number}" for number in range(1_000))
    case = only(tmp_path, f'<testsuite><testcase name="a"><failure>{text}</failure></testcase></testsuite>')
    assert case.message == "\n".join(f"line {number}" for number in range(20))


@pytest.mark.parametrize("name", ["/etc/passwd", "../../etc/passwd", "tests", "\u0085", "x" * 5000])
def test_files_outside_and_things_that_are_no_file_are_no_place(tmp_path: Path, name: str) -> None:
    (tmp_path / "tests").mkdir()
    case = only(tmp_path, f'<testsuite><testcase name="a" file="{name}" line="3"/></testsuite>')
    assert (case.file, case.line) == ("", 0)


ENTITIES = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
REFUSED = "the report has a document type: no test runner writes one, and entities are not read"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'<!DOCTYPE a [<!ENTITY e0 "lol">{ENTITIES}]><testsuite>&e9;</testsuite>', REFUSED),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite>&x;</testsuite>', REFUSED),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><testsuite/>', REFUSED),
        ("<testsuite>&x;</testsuite>", "the report junit.xml is no whole XML: undefined entity: line 1, column 11"),
        ("", "the report junit.xml is no whole XML: no element found: line 1, column 0"),
        ("<testsuite><testcase", "the report junit.xml is no whole XML: unclosed token: line 1, column 11"),
        ("<html/>", "the report is XML, and no JUnit report: it begins with <html>"),
        ('{"a": 1}', "the report junit.xml is no whole XML: not well-formed (invalid token): line 1, column 0"),
        (
            '<?xml version="1.0" encoding="klingon"?><testsuite/>',
            "the report junit.xml is no whole XML: unknown encoding: klingon",
        ),
    ],
)  # fmt: skip
def test_what_is_no_report(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Unreadable) as raised:
        read(tmp_path, text)
    assert str(raised.value) == said


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"^there is no report junit\.xml: it was not written$"):
        junit.read(tmp_path / "junit.xml", tmp_path)
    (tmp_path / "junit.xml").mkdir()
    with pytest.raises(Unreadable, match=r"^the report junit\.xml cannot be read: Is a directory$"):
        junit.read(tmp_path / "junit.xml", tmp_path)


def test_depth_is_no_danger(tmp_path: Path) -> None:
    depth = 100_000
    report = read(tmp_path, "<testsuite>" * depth + '<testcase name="a"/>' + "</testsuite>" * depth)
    assert [case.name for case in report.cases] == ["a"]


_TAGS = st.sampled_from(
    ["<testsuites>", "<testsuite name='pytest'>", "</testsuite>", "</testsuites>", "<testcase name='a.b' line='1'>",
     "</testcase>", "<failure message=''>", "</failure>", "<testcase/>", "<skipped/>", "<![CDATA[", "]]>", "text",
     "&amp;", "<?xml version='1.0' encoding='utf-16'?>", "\0",
     "<testcase file='x.py' classname='x.Y' name='z' time='1,1,1'/>"]
)  # fmt: skip


@given(st.one_of(st.binary(max_size=200), st.lists(_TAGS, max_size=12).map(lambda tags: "".join(tags).encode())))
def test_any_bytes_are_a_report_or_unreadable(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        report = read(folder, data)
    except Unreadable:
        return
    assert all(case.seconds >= 0 for case in report.cases)
