"""Which tags an event gets: a table of our own, our defaults, what differs from the action, and properties."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.build.event import Event
from shiptasks.build.tags import Tagged, default_rules, legal, tags
from shiptasks.errors import UsageError

SHA = "0123456789abcdef0123456789abcdef01234567"
NOW = datetime(2026, 3, 4, 23, 5, 6, 789000, tzinfo=timezone.utc)
COMMITTED = datetime(2026, 2, 1, 1, 2, 3, tzinfo=timezone.utc)
GRAMMAR = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""A tag in the distribution specification."""

BASE = Event("GitHub", "push", sha=SHA, default_branch="main", time=NOW, committed=COMMITTED)
EVENTS = {
    "main": replace(BASE, ref="refs/heads/main"),
    "feature": replace(BASE, ref="refs/heads/feat/log-in"),
    "pr": replace(BASE, name="pull_request", ref="refs/pull/12/merge", base_ref="main"),
    "schedule": replace(BASE, name="schedule", ref="refs/heads/main"),
    "nothing": replace(BASE, ref="", sha=""),
}


def event(name: str) -> Event:
    """`main`, `feature`, `pr`, `schedule`, `nothing`, or a git tag."""
    return EVENTS.get(name) or replace(BASE, ref=f"refs/tags/{name}", base_ref="release/2")


SEMVER = "type=semver,pattern={{version}} | type=semver,pattern={{major}}.{{minor}} | type=semver,pattern={{major}}"
PEP440 = SEMVER.replace("semver", "pep440")
# event; rules, apart by " | "; flavor, likewise; the tags
TABLE = """
main; type=ref,event=branch; ; main
feature; type=ref,event=branch; ; feat-log-in
v1.0.0; type=ref,event=branch; ;
pr; type=ref,event=branch; ;
v1.0.0; type=ref,event=tag; ; v1.0.0 latest
v1.0.0; type=ref,event=tag; latest=false; v1.0.0
main; type=ref,event=tag; ;
pr; type=ref,event=pr; ; pr-12
pr; type=ref,event=pr,prefix=; ; 12
pr; type=ref,event=pr,prefix=merge-,suffix=-x; ; merge-12-x
main; type=ref,event=pr; ;
main; type=edge; ; edge
feature; type=edge; ;
feature; type=edge,branch=feat/log-in; ; edge
v1.0.0; type=edge; ;
schedule; type=schedule; ; nightly
schedule; type=schedule,pattern=weekly; ; weekly
schedule; type=schedule,pattern={{date 'GGGG-[W]WW'}}; ; 2026-W10
main; type=schedule; ;
main; type=sha; ; sha-0123456
main; type=sha,prefix=; ; 0123456
main; type=sha,format=long; ; sha-0123456789abcdef0123456789abcdef01234567
main; type=sha,prefix=git.,suffix=.x; ; git.0123456.x
nothing; type=sha; ;
nothing; type=raw,{{branch}}; ;
main; type=raw,hello; ; hello
main; type=raw,value=hello world; ; hello-world
main; plain; ; plain
main; type=raw,value=latest; ; latest
main; type=raw,value=a,enable=false | type=raw,value=b; ; b
main; type=raw,value=a,enable={{is_default_branch}}; ; a
feature; type=raw,value=a,enable={{is_default_branch}}; ;
feature; type=raw,value=a,enable={{is_not_default_branch}}; ; a
pr; type=raw,value=to-{{base_ref}}; ; to-main
v1.0.0; type=raw,value=from-{{base_ref}}; ; from-release-2
main; type=raw,value=from-{{base_ref}}; ; from-
v1.0.0; type=raw,value={{tag}}.{{sha}}; ; v1.0.0.0123456
main; type=raw,value={{date 'YYYYMMDD'}}; ; 20260304
main; type=raw,value={{date 'YYYYMMDD' tz='Asia/Tokyo'}}; ; 20260305
main; type=raw,value={{commit_date 'YYMMDD.HHmm'}}; ; 260201.0102
main; type=raw,value={{date}}; ; 2026-03-04T23-05-06Z
main; type=raw,value={{{branch}}}; ; main
main; type=raw,value=a | type=raw,value=a | type=raw,value=b; ; a b
main; type=raw,value=a | type=sha | type=ref,event=branch; ; main a sha-0123456
main; type=raw,value=a | type=sha,priority=201; ; sha-0123456 a
main; type=ref,event=branch; latest=true; main latest
main; type=ref,event=branch; prefix=p-; p-main
main; type=ref,event=branch; prefix=p- | suffix=-s; p-main-s
main; type=ref,event=branch,prefix=,suffix=; prefix=p- | suffix=-s; main
main; type=ref,event=branch; latest=true | prefix=p-; p-main latest
main; type=ref,event=branch; latest=true | prefix=p-,onlatest=true; p-main p-latest
main; type=ref,event=branch; latest=true | suffix=-s,onlatest=true; main-s latest-s
main; type=ref,event=branch; suffix=-{{sha}}; main-0123456
v1.4.2; SEMVER; ; 1.4.2 1.4 1 latest
1.4.2; SEMVER; ; 1.4.2 1.4 1 latest
v1.4.2; SEMVER; latest=false; 1.4.2 1.4 1
v1.4.2; SEMVER; suffix=-alpine; 1.4.2-alpine 1.4-alpine 1-alpine latest
v0.3.1; SEMVER; ; 0.3.1 0.3 0 latest
v2.0.0-rc.1; SEMVER; ; 2.0.0-rc.1
v2.0.0-rc.1; type=semver,pattern={{raw}}; ; v2.0.0-rc.1
v1.4; SEMVER; ;
v01.4.2; SEMVER; ;
V1.4.2; SEMVER; ;
sometag; SEMVER; ;
main; SEMVER; ;
main; type=semver,pattern={{version}},value=v3.2.1; ; 3.2.1 latest
main; type=semver,pattern={{version}},value=3.2.1-a; ; 3.2.1-a
v1.4.2; type=semver,pattern=v{{major}}; ; v1 latest
v1.4.2; type=semver,pattern={{major}}-{{date 'YYYY'}}; ; 1-2026 latest
api/v1.4.2; type=semver,pattern={{version}},match=api/(.*); ; 1.4.2 latest
web/v1.4.2; type=semver,pattern={{version}},match=api/(.*); ;
v1.4.2; PEP440; ; 1.4.2 1.4 1 latest
1.4; PEP440; ; 1.4 1 latest
1.4rc1; PEP440; ; 1.4rc1
1.4-RC1; PEP440; ; 1.4rc1
1.4.post2; PEP440; ; 1.4.post2
1.4.dev2; type=pep440,pattern={{raw}}; ; 1.4.dev2
sometag; PEP440; ;
v1.4.2; type=match,pattern=\\d.\\d; ; 1.4 latest
v1.4.2; type=match,pattern=v(\\d+).(\\d+),group=2; ; 4 latest
v1.4.2; type=match,pattern=v(\\d),group=7; ;
v1.4.2; type=match,pattern=^\\d; ;
V1.4.2; type=match,pattern=/v(.*)/i,group=1; ; 1.4.2 latest
v1.4.2; type=match,pattern=/[0-9]/g,group=1; ; 4 latest
v1.4.2; type=match,"pattern=\\d{1,2}"; ; 1 latest
v1.4.2; type=match,pattern=(?<x>\\d),group=1; ; 1 latest
main; type=match,pattern=.*; ;
main; type=match,pattern=b(.),group=1,value=abc; ; c latest
v1.4.2; type=raw,priority=2000,value=x | SEMVER; ; x 1.4.2 1.4 1
"""
ROWS = [tuple(part.strip() for part in line.split(";")) for line in TABLE.strip().splitlines()]


def of(name: str | Event, rules: str = "", flavor: str = "", known: tuple[str, ...] | None = ()) -> Tagged:
    about = name if isinstance(name, Event) else replace(event(name), known_tags=known)
    text = rules.replace("SEMVER", SEMVER).replace("PEP440", PEP440).replace("\\\\", "\\")
    return tags(about, _split(text), _split(flavor))


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(" | ") if part.strip()]


@pytest.mark.parametrize(("name", "rules", "flavor", "expected"), ROWS, ids=[" ".join(row[:3]) for row in ROWS])
def test_the_table(name: str, rules: str, flavor: str, expected: str) -> None:
    found = of(name, rules, flavor)
    assert list(found.names) == expected.split()
    assert found.version == (expected.split() or [""])[0]
    assert found.latest == bool({"latest", "p-latest", "latest-s"} & set(found.names))
    assert set(found.why) == set(found.names)


def test_the_table_is_long_enough() -> None:
    assert len(ROWS) >= 60


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("main", "main main-0123456 latest"),
        ("feature", "feat-log-in feat-log-in-0123456"),
        ("pr", "pr-12"),
        ("schedule", "nightly main main-0123456 latest"),
        ("v1.4.2", "1.4.2 1.4 1 latest"),
        ("v0.3.1", "0.3.1 0.3 latest"),
        ("v2.0.0-rc.1", "2.0.0-rc.1"),
        ("1.4rc1", "1.4rc1"),
        ("1.4", "1.4 latest"),
        ("release1", "release1 latest"),
        ("api/v1.0.0", "api-v1.0.0 latest"),
        ("nothing", ""),
    ],
)
def test_without_rules(name: str, expected: str) -> None:
    assert of(name).names == tuple(expected.split())


def test_a_tree_outside_of_ci_is_called_as_git_calls_it() -> None:
    tree = replace(event("main"), origin="git", version="0.0.0-dev.g0123456.dirty", dirty=True)
    assert of(tree).names == ("0.0.0-dev.g0123456.dirty",)
    assert of(replace(tree, version="")).names == ("0.0.0-dev.uncommitted",)
    assert of(tree, "type=sha | type=ref,event=branch | type=sha,format=long").names == (
        "main",
        "sha-0123456-dirty",
        f"sha-{SHA}-dirty",
    )


@pytest.mark.parametrize(
    ("tag", "known", "note"),
    [
        ("v1.3.9", ("v1.3.8", "v1.4.0"), "no latest: v1.4.0 is newer than v1.3.9"),
        ("v1.3.9", ("v1.4.0", "v1.10.0", "v1.9.0"), "no latest: v1.10.0 is newer than v1.3.9"),
        ("v1.4.0", ("v1.4.0", "v1.4", "v1.3.9", "other"), ""),
        ("v1.4.0", ("v2.0.0-rc.1",), ""),
        ("api/v1.0.0", ("web/v2.0.0", "v3.0.0"), ""),
        ("api/v1.0.0", ("api/v1.0.1",), "no latest: api/v1.0.1 is newer than api/v1.0.0"),
        ("v2.0.0-rc.1", (), "no latest: v2.0.0-rc.1 is a prerelease"),
        (
            "v1.0.0",
            None,
            "no latest: the clone is shallow, and nobody says whether there is a newer version; fetch the tags",
        ),
        ("release", None, ""),
    ],
)
@pytest.mark.parametrize("flavor", ["", "latest=true"])
def test_latest_does_not_go_back(tag: str, known: tuple[str, ...] | None, note: str, flavor: str) -> None:
    for rules in ("type=ref,event=tag", r"type=match,pattern=.*"):
        found = of(tag, rules, flavor, known)
        assert (found.latest, found.notes) == (not note, (note,) if note else ())


def test_latest_may_be_asked_for_by_its_name() -> None:
    assert of("v2.0.0-rc.1", "type=raw,value=latest").names == ("latest",)


def test_what_follows_plus_stays_apart() -> None:
    assert of("v1.2.3+5").names == ("1.2.3_5", "1.2", "1", "latest")
    assert of("v1.2.3-5").names == ("1.2.3-5",)
    assert of("1.0+ubuntu.1", "type=pep440,pattern={{version}}").names[0] == "1.0_ubuntu.1"
    assert of("v1.2.3+5", "type=ref,event=tag").names[0] == "v1.2.3_5"


def test_each_tag_for_each_image() -> None:
    found = tags(event("v1.4.2"), ["type=semver,pattern={{version}}"], images=["ghcr.io/Acme/shop", "shop"])
    assert found.tags == ("ghcr.io/acme/shop:1.4.2", "ghcr.io/acme/shop:latest", "shop:1.4.2", "shop:latest")
    assert found.references("ghcr.io/Acme/x") == ("ghcr.io/acme/x:1.4.2", "ghcr.io/acme/x:latest")


def test_it_says_which_rule_gave_each_and_why_others_gave_nothing() -> None:
    found = of("v1.4.2", "type=ref,event=branch | type=ref,event=tag | type=raw,value=a,enable=false | type=edge")
    assert found.why == {"v1.4.2": "type=ref,event=tag", "latest": "newest release: v1.4.2"}
    assert found.silent == (
        ("type=edge", "not the branch main"),
        ("type=ref,event=branch", "not a branch"),
        ("type=raw,value=a,enable=false", "not enabled"),
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a" * 128, "a" * 128),
        ("a" * 129, "a" * 115 + "-c12cb024a2e5"),
        (".hidden", "hidden-1692419006a8"),
        ("-x", "x-a420962426d7"),
        ("ünï", "n--e975a52994d8"),
        ("фича", "46d6f9ad3fff"),
        ("_x", "_x"),
        ("v1`id`", "v1-id-"),
        ("a\n$(b)", "a-b-"),
        ("1.0+2", "1.0_2"),
    ],
)
def test_tags_are_legal(value: str, expected: str) -> None:
    assert legal(value) == expected
    assert GRAMMAR.fullmatch(expected)


def test_long_names_that_begin_alike_stay_apart() -> None:
    one, other = legal("feature/" + "x" * 300 + "1"), legal("feature/" + "x" * 300 + "2")
    assert one != other
    assert len(one) == len(other) == 128


REFS = st.one_of(
    st.text(max_size=300).map(lambda text: f"refs/heads/{text}"),
    st.text(alphabet="v.-+_0123456789rc/@", max_size=30).map(lambda text: f"refs/tags/{text}"),
    st.text(max_size=300).map(lambda text: f"refs/tags/{text}"),
    st.integers(1, 99999).map(lambda number: f"refs/pull/{number}/merge"),
    st.sampled_from(
        ["refs/heads/v1`id`", "refs/heads/$(reboot)", "refs/heads/a\nb", "refs/heads/'\"", f"refs/heads/{'ю' * 300}"]
    ),
)
EVERY = [
    *_split(SEMVER),
    *_split(PEP440),
    "type=schedule",
    "type=edge",
    "type=ref,event=branch",
    "type=ref,event=tag",
    "type=ref,event=pr",
    "type=match,pattern=(.*)",
    "type=raw,value={{branch}}{{tag}}{{base_ref}}",
    "type=sha",
    "type=sha,format=long",
]


@given(
    ref=REFS,
    name=st.sampled_from(["push", "schedule", "pull_request", "workflow_dispatch", "release"]),
    rules=st.lists(st.sampled_from(EVERY), max_size=6),
    flavor=st.sampled_from([[], ["latest=true"], ["prefix=-"], ["suffix=.x,onlatest=true"], ["prefix={{branch}}"]]),
    known=st.one_of(st.none(), st.lists(st.text(alphabet="v.-0123456789", max_size=12), max_size=4).map(tuple)),
)
def test_tags_are_always_legal_unique_and_ordered(
    ref: str, name: str, rules: list[str], flavor: list[str], known: tuple[str, ...] | None
) -> None:
    about = replace(BASE, ref=ref, name=name, base_ref=ref, known_tags=known)
    found = tags(about, rules, flavor, ["shop"])
    assert all(GRAMMAR.fullmatch(each) for each in found.names)
    assert len(set(found.names)) == len(found.names)
    assert found.version == (found.names[0] if found.names else "")
    assert [each.partition(":")[2] for each in found.tags] == list(found.names)
    assert found == tags(about, rules, flavor, ["shop"])
    priorities = {"schedule": 1000, "semver": 900, "pep440": 900, "match": 800, "edge": 700, "ref": 600, "raw": 200}
    order = [
        priorities.get(found.why[each].removeprefix("type=").partition(",")[0], 100)
        for each in found.names
        if found.why[each].startswith("type=")
    ]
    assert order == sorted(order, reverse=True)


def test_our_defaults_are_rules_as_anybody_writes_them() -> None:
    assert default_rules(event("v1.4.2")) == tuple(_split(SEMVER))
    assert default_rules(event("pr")) == ("type=ref,event=pr",)
    assert default_rules(event("nothing")) == ("type=schedule", "type=ref,event=branch")


def test_a_switch_that_gives_neither_yes_nor_no_is_wrong() -> None:
    with pytest.raises(UsageError) as caught:
        tags(event("main"), ["type=sha", "type=raw,value=a,enable={{branch}}"], where=lambda index: f"file:{index}")
    assert caught.value.what == (
        "the tag rule 'type=raw,value=a,enable={{branch}}' does not fit: enable gives \"main\", not true or false"
    )
    assert caught.value.where == "file:1"


def test_an_unknown_zone_is_wrong() -> None:
    rule = "type=raw,value={{date 'YYYY' tz='Mars/Base'}}"
    with pytest.raises(UsageError, match='there is no time zone "Mars/Base" on this machine'):
        tags(event("main"), [rule])
