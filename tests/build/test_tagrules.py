"""Rules and flavors that are wrong: the exact message, the place, the nearest that is right."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.build.tagrules import Flavor, parse_flavor, parse_rule, parse_rules, regular
from shiptasks.errors import UsageError


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("type=semvar,pattern={{version}}", 'there is no type "semvar", did you mean "semver"?'),
        ("type=foo", 'there is no type "foo"'),
        ("type=semver", 'type=semver needs "pattern"'),
        ("type=pep440,value=1", 'type=pep440 needs "pattern"'),
        ("type=match", 'type=match needs "pattern"'),
        ("type=raw", 'type=raw needs "value"'),
        ("type=raw,value=", 'type=raw needs "value"'),
        ("type=ref", 'type=ref needs "event"'),
        ("type=ref,event=brnch", 'event="brnch" is none of branch, tag, pr, did you mean "branch"?'),
        ("type=sha,format=full", 'format="full" is none of short, long'),
        ("type=sha,prefx=x", 'type=sha has no attribute "prefx", did you mean "prefix"?'),
        ("type=sha,pattern=x", 'type=sha has no attribute "pattern"'),
        ("type=match,pattern=v(.*),group=foo", 'group="foo" is not a number'),
        ("type=sha,priority=high", 'priority="high" is not a number'),
        ("type=sha,priority=-1", 'priority="-1" is not a number'),
        ("type=sha,enable=yes", 'enable="yes" is none of true, false, {{is_default_branch}}'),
        ("type=sha,enable=", 'enable="" is none of true, false, {{is_default_branch}}'),
        ("type=raw,value=a,value=b", '"value" is given twice'),
        ("type=raw,a,b", '"value" is given twice'),
        ("type=sha,type=raw", '"type" is given twice'),
        ("type=raw,{{brnch}}", '{{brnch}} is not known, did you mean "{{branch}}"?'),
        ("type=raw,{{version}}", "{{version}} is not known"),
        ("type=raw,{{}}", "{{}} is not known"),
        ("type=raw,{{#if branch}}x{{/if}}", "{{#if branch}} is not known"),
        ("type=raw,{{branch", '"{{" without "}}" in "{{branch"'),
        ("type=raw,{{branch 'x'}}", "{{branch 'x'}} cannot be read: {{branch}} takes nothing more"),
        ("type=raw,{{date 'a' 'b'}}", "{{date 'a' 'b'}} cannot be read: a pattern and tz='…' are what a date takes"),
        ("type=raw,{{date zone='x'}}", "{{date zone='x'}} cannot be read: a pattern and tz='…' are what a date takes"),
        ("type=raw,{{date 'a}}", "{{date 'a}} cannot be read: a pattern stands in quotes, as in {{date 'YYYYMMDD'}}"),
        ("type=semver,pattern={{majr}}", '{{majr}} is not known, did you mean "{{major}}"?'),
        ("type=schedule,pattern={{version}}", "{{version}} is not known"),
        ("type=sha,prefix={{x}}", "{{x}} is not known"),
        ("type=match,pattern=(", '"(" is not a regular expression: missing ), unterminated subpattern at position 0'),
        ("type=semver,pattern=x,match=[", '"[" is not a regular expression: unterminated character set at position 0'),
        ("type=match,pattern=/a/q", 'there is no flag "q" of regular expressions'),
        ("", "it is empty, or more than a line"),
        ("  ", "it is empty, or more than a line"),
        ("type=raw,a\nb", "it is empty, or more than a line"),
        ('type=raw,"a', "it cannot be read: unexpected end of data"),
    ],
)  # fmt: skip
def test_wrong_rules(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_rules(["type=sha", text], lambda index: f"pyproject.toml:{index}:1")
    assert caught.value.what == f"the tag rule {text!r} does not fit: {problem}"
    assert (caught.value.where, caught.value.now) == ("pyproject.toml:1:1", "nothing was run")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("randomstr", '"randomstr" has no "="'),
        ("latest", '"latest" has no "="'),
        ("latest=yes", 'latest="yes" is none of auto, true, false'),
        ("latst=true", 'there is no "latst", did you mean "latest"?'),
        ("onlatest=true", '"onlatest" stands behind prefix= or suffix='),
        ("prefix=a,onlatest=1", 'onlatest="1" is none of true, false'),
        ("prefix={{x}}", "{{x}} is not known"),
        ("", "it is empty, or more than a line"),
    ],
)
def test_wrong_flavors(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_flavor([text], lambda index: f"file:{index}")
    assert (caught.value.what, caught.value.where) == (f"the flavor {text!r} does not fit: {problem}", "file:0")


def test_flavors() -> None:
    assert parse_flavor([]) == Flavor()
    assert parse_flavor(["latest=false", "prefix=a-,onlatest=true", "suffix=-b"]) == Flavor("false", "a-", True, "-b")
    assert parse_flavor(["latest=true", "latest=auto"]).latest == "auto"


def test_quotes_commas_and_equals() -> None:
    assert parse_rule(r'type=match,"pattern=v(\d{1,2})",group=1')["pattern"] == r"v(\d{1,2})"
    assert parse_rule("type=raw,value=a=b")["value"] == "a=b"
    assert parse_rule("type=raw,{{date 'YYYY' tz='UTC'}}")["value"] == "{{date 'YYYY' tz='UTC'}}"
    assert parse_rule(" TYPE = raw , VALUE = a ")["value"] == "a"


def test_the_highest_priority_comes_first_and_others_keep_their_order() -> None:
    rules = parse_rules(["type=sha", "type=raw,a", "type=edge,priority=1", "type=raw,b", "type=raw,c,priority=9999"])
    assert [rule.text for rule in rules] == [
        "type=raw,c,priority=9999",
        "type=raw,a",
        "type=raw,b",
        "type=sha",
        "type=edge,priority=1",
    ]


def test_regular_expressions_of_javascript() -> None:
    assert regular("(?<major>[0-9]+)")[0].match("12") is not None
    assert regular("(?<=v)1")[0].search("v1") is not None
    assert regular(r"\d")[0].search("٣") is None
    assert regular("/a/gi") == (regular("/a/i")[0], True)


@given(st.one_of(st.text(max_size=80), st.text(alphabet="type=raw,semver{}'\" datetz/()[]*", max_size=60)))
def test_any_text_is_a_rule_or_a_usage_error(text: str) -> None:
    for parse in (parse_rules, parse_flavor):
        with suppress(UsageError):
            parse([text])
