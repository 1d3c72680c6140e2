"""What known_hosts files say of an offered key, checked against OpenSSH where it can be asked."""

from __future__ import annotations

import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from shiptasks.hosts.knownhosts import Standing, load, lookup_name, parse

OURS, OTHER = b"the key that is offered", b"another key"
KEY, OLD = (b64encode(key).decode() for key in (OURS, OTHER))
NAME = "web1.example.com"


def _hashed(line: str, folder: Path) -> str:
    """The line with its names hashed by OpenSSH itself."""
    file = folder / "to-hash"
    file.write_text(line)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    return file.read_text()


@pytest.mark.parametrize(
    ("text", "port", "standing"),
    [
        ("", 22, "unknown"),
        ("# web1.example.com ssh-ed25519 {key}", 22, "unknown"),
        ("web1.example.com ssh-ed25519 {key}", 22, "known"),
        ("web1.example.com\tssh-ed25519\t{key} a comment", 22, "known"),
        ("  web1.example.com   ssh-ed25519 {key}\r", 22, "known"),
        ("WEB1.example.COM ssh-ed25519 {key}", 22, "known"),
        ("other,web1.example.com,10.0.0.1 ssh-ed25519 {key}", 22, "known"),
        ("web1.example.com ssh-ed25519 {old}", 22, "changed"),
        ("web1.example.com ssh-rsa {old}", 22, "changed"),
        ("web1.example.com ssh-ed25519 {old}\nweb1.example.com ssh-ed25519 {key}", 22, "known"),
        ("web1.example.com ssh-ed25519 {key}", 2222, "unknown"),
        ("[web1.example.com]:2222 ssh-ed25519 {key}", 2222, "known"),
        ("[web1.example.com]:2222 ssh-ed25519 {key}", 22, "unknown"),
        ("[web1.example.com]:2222 ssh-ed25519 {old}", 2222, "changed"),
        ("*.example.com ssh-ed25519 {key}", 22, "known"),
        ("web?.example.com ssh-ed25519 {old}", 22, "changed"),
        ("*.example.com,!web1.example.com ssh-ed25519 {key}", 22, "unknown"),
        ("!web1.example.com,*.example.com ssh-ed25519 {key}", 22, "unknown"),
        ("web1xexample.com ssh-ed25519 {key}", 22, "unknown"),
        ("@revoked * ssh-ed25519 {key}", 22, "revoked"),
        ("web1.example.com ssh-ed25519 {key}\n@revoked web1.example.com ssh-ed25519 {key}", 22, "revoked"),
        ("@revoked * ssh-ed25519 {old}", 22, "unknown"),
        ("@revoked * ssh-ed25519 {old}\nweb1.example.com ssh-ed25519 {key}", 22, "known"),
        ("@cert-authority *.example.com ssh-ed25519 {key}", 22, "unknown"),
        ("@something web1.example.com ssh-ed25519 {key}", 22, "unknown"),
        ("web1.example.com ssh-ed25519", 22, "unknown"),
        ("web1.example.com ssh-ed25519 not!base64", 22, "unknown"),
        ("|1|broken ssh-ed25519 {key}", 22, "unknown"),
        ("|2|AAAA|AAAA ssh-ed25519 {key}", 22, "unknown"),
        ("broken line\n\n\nweb1.example.com ssh-ed25519 {key}", 22, "known"),
    ],
)
def test_standing(tmp_path: Path, text: str, port: int, standing: Standing) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(text.format(key=KEY, old=OLD))
    assert load([file]).judge(lookup_name("Web1.Example.com", port), OURS).standing == standing


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH hashes the names")
@pytest.mark.parametrize(("name", "port"), [(NAME, 22), (f"[{NAME}]:2222", 2222)])
def test_hashed_names(tmp_path: Path, name: str, port: int) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    line = f"{name} {' '.join(key.with_suffix('.pub').read_text().split()[:2])}\n"
    file = tmp_path / "known_hosts"
    file.write_text(_hashed(line, tmp_path))
    assert "example" not in file.read_text()
    entry = parse(line, "x:1")
    assert entry is not None
    known = load([file])
    assert known.judge(lookup_name(NAME, port), entry.key).standing == "known"
    assert known.judge(lookup_name(NAME, port), OTHER).standing == "changed"
    assert known.judge(lookup_name(NAME, port + 1), entry.key).standing == "unknown"
    told = subprocess.run(["ssh-keygen", "-l", "-f", key], check=True, capture_output=True, text=True).stdout
    assert entry.fingerprint == told.split()[1]


def test_several_files_missing_ones_and_places(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(f"\n# old\n{NAME} ssh-rsa {OLD}\n")
    known = load([first, tmp_path / "missing", second])
    verdict = known.judge(NAME, OURS)
    assert [entry.place for entry in verdict.entries] == [f"{first}:3"]
    assert known.kinds(NAME) == ("ssh-rsa",)
    second.write_text(f"{NAME} ssh-ed25519 {KEY}\n")
    again = load([first, tmp_path / "missing", second])
    assert again.judge(NAME, OURS).standing == "known"
    assert again.kinds(NAME) == ("ssh-rsa", "ssh-ed25519")


def test_a_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("".join(f"host{number} ssh-ed25519 {KEY}\n" for number in range(2000)))
    assert load([file]) is load([file])
    before = load([file])
    file.write_text(f"{NAME} ssh-ed25519 {KEY}\n")
    assert load([file]) is not before
