"""Reruns and slow tests, as values."""

from __future__ import annotations

from shiptasks.check.reports import Outcome, TestCase, TestReport, findings, merged, slowest


def case(name: str, outcome: Outcome = "passed", seconds: float = 1.0, message: str = "") -> TestCase:
    return TestCase(name, seconds, outcome, message, "tests/test_a.py", 3)


def test_a_test_that_passed_when_it_ran_again_is_flaky() -> None:
    first = TestReport((case("a"), case("b", "failed", message="boom"), case("c", "failed", message="bang")))
    again = TestReport((case("b"), case("c", "failed", message="bang again")))
    report = merged(first, again)
    assert [(one.name, one.outcome, one.message, one.seconds) for one in report.cases] == [
        ("a", "passed", "", 1.0),
        ("b", "flaky", "boom", 2.0),
        ("c", "failed", "bang again", 2.0),
    ]
    assert report.summary == "1 passed, 1 failed, 1 flaky"
    assert not report.passed


def test_what_did_not_run_again_has_failed() -> None:
    report = merged(TestReport((case("a", "failed"),)), TestReport(()))
    assert report.summary == "1 failed"


def test_skipping_is_no_passing() -> None:
    report = merged(TestReport((case("a", "failed"),)), TestReport((case("a", "skipped"),)))
    assert report.summary == "1 failed"


def test_one_failure_among_runs_of_one_name_is_a_failure() -> None:
    report = merged(TestReport((case("a", "failed"),)), TestReport((case("a"), case("a", "failed"))))
    assert report.summary == "1 failed"


def test_a_file_that_could_be_loaded_at_last_is_flaky_and_its_tests_count() -> None:
    first = TestReport((case("tests/test_a.py", "failed", message="ImportError"),))
    again = TestReport((case("tests/test_a.py::test_x"), case("tests/test_a.py::test_y")))
    report = merged(first, again)
    assert report.summary == "2 passed, 1 flaky"
    assert report.passed


def test_nothing_is_lost_by_a_rerun_without_failures() -> None:
    first = TestReport((case("a"), case("b", "skipped")))
    assert merged(first, TestReport(())) == first


def test_no_tests_are_no_pass() -> None:
    assert TestReport(()).summary == "no tests"
    assert not TestReport(()).passed


def test_the_slowest_come_first_and_skipped_ones_never() -> None:
    one = TestReport((case("a", seconds=1), case("b", seconds=3), case("c", "skipped", seconds=9)))
    other = TestReport((case("d", "failed", seconds=3), case("e", seconds=0), case("f", seconds=2)))
    assert [each.name for each in slowest((one, other), 3)] == ["b", "d", "f"]
    assert slowest(()) == ()


def test_findings_tell_failed_and_flaky_tests() -> None:
    report = TestReport(
        (case("a"), case("b", "failed", message="\n  boom\nmore"), case("c", "flaky"), case("d", "failed"))
    )
    assert [str(finding) for finding in findings(report)] == [
        "tests/test_a.py:3: high: b: boom",
        "tests/test_a.py:3: medium: c: flaky: it passed when it ran again, and before: it failed",
        "tests/test_a.py:3: high: d: it failed",
    ]
