"""What a value looks like, told from its name and text: a placeholder, a test key, a weak or a real secret.

Nothing here keeps or shows a value: the answers are words.
"""

from __future__ import annotations

import math
import re

_SECRET_NAME = re.compile(
    r"(PASS(WORD|WD|PHRASE)?|SECRET|TOKEN|CREDENTIALS?|PRIVATE|(^|_)(API_?)?KEY|(^|_)SALT)(_|$|[0-9])"
)
_NOT_SECRET = re.compile(
    r"PUBLIC|PUBLISHABLE|_(ID|FILE|PATH|DIR|TTL|URL|NAME|HEADER|LENGTH|ISSUER|ALGORITHM|TIMEOUT|EXPIRY|SECONDS|MINUTES|DAYS)$"
)
_PLACEHOLDER = re.compile(
    r"<[^<>]*>|change[-_ ]?(me|this)!?.*|.*\bchangeme\b.*|todo\b.*|fixme\b.*|tbd|x{3,}|\.{3,}|…|"
    r"(replace|insert|fill|put|enter)[-_ ](me|this|it|in|here|your)\b.*|your[-_ ].*|placeholder|\*{3,}",
    re.IGNORECASE,
)
_TEST_KEY = re.compile(r"(sk|pk|rk)_test_|whsec_test|TEST-[0-9]{8,}", re.IGNORECASE)
_TEST_WORD = re.compile(
    r"(tests?|testing|dummy|fake|demo|sandbox|example)([-_.]?(key|token|secret|pass(word)?|[0-9]+))?", re.IGNORECASE
)
_TEST_HOST = re.compile(
    r"(^|[@/.])(example\.(com|org|net)|[a-z0-9-]+\.(example|invalid|test))(?=[:/?]|$)", re.IGNORECASE
)
_REAL = re.compile(
    r"sk_live_|rk_live_|gh[pousr]_[A-Za-z0-9]{20}|github_pat_|glpat-|AKIA[0-9A-Z]{16}|xox[abprs]-|"
    r"-----BEGIN [A-Z ]*PRIVATE KEY|eyJ[A-Za-z0-9_-]{10,}\.eyJ|AIza[0-9A-Za-z_-]{30}"
)
_COMMON = frozenset(
    [
        "admin",
        "administrator",
        "default",
        "letmein",
        "master",
        "pass",
        "passw0rd",
        "password",
        "password1",
        "postgres",
        "qwerty",
        "root",
        "secret",
        "test",
        "welcome",
    ]
)
_SHORTEST = 12
_FEWEST = 5


def is_secret_name(name: str) -> bool:
    """Whether a variable of that name holds a secret."""
    upper = name.upper()
    return bool(_SECRET_NAME.search(upper)) and not _NOT_SECRET.search(upper)


def is_placeholder(value: str) -> bool:
    """Whether the value stands for one that somebody was to put in."""
    return bool(_PLACEHOLDER.fullmatch(value.strip()))


def trace_of_tests(value: str) -> str:
    """What about the value belongs to tests and not to production, in words; empty when nothing does."""
    text = value.strip()
    if _TEST_KEY.match(text):
        return "it is a test key: it takes no real payments and no real requests"
    if _TEST_WORD.fullmatch(text):
        return "it is a word for tests"
    if _TEST_HOST.search(text):
        return "it names an example host, which belongs to nobody"
    return ""


def weakness(value: str) -> str:
    """Why the value is no good secret, in words; empty when it may be one."""
    if value.strip().lower() in _COMMON:
        return "it is one of the first words that somebody tries"
    if len(value) < _SHORTEST:
        return f"it is shorter than {_SHORTEST} characters"
    if len(set(value)) < _FEWEST:
        return f"it is made of fewer than {_FEWEST} different characters"
    return ""


def looks_real(name: str, value: str) -> bool:
    """Whether the value in a template is a secret that somebody uses."""
    if _REAL.search(value):
        return True
    if not is_secret_name(name) or is_placeholder(value) or trace_of_tests(value) or len(value) < 16:
        return False
    return " " not in value and _entropy(value) >= 3.0 and bool(re.search(r"[0-9]", value))


def _entropy(value: str) -> float:
    """Bits a character, as its characters are spread."""
    counts = [value.count(char) / len(value) for char in set(value)]
    return -sum(share * math.log2(share) for share in counts)
