"""No floor of a dependency lies below the version that mends what is publicly known of it (CONTRIBUTING.md)."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

PROJECT = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())["project"]
LINES = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["vault"]]
FLOORS = {Requirement(line).name.lower(): Requirement(line) for line in LINES}

#: By package: the first version without what the advisory is about.
ADVISORIES = (
    (
        "cryptography",
        "44.0.1",
        "CVE-2024-12797: an unauthenticated server is not noticed with raw public keys",
    ),
    ("cryptography", "46.0.5", "CVE-2026-26007: points of small subgroups are accepted on SECT curves"),
    ("filelock", "3.20.1", "CVE-2025-68146: a link in the lock's place has its target truncated"),
    ("filelock", "3.20.3", "CVE-2026-22701: the same by a race in SoftFileLock"),
    ("h11", "0.16", "CVE-2025-43859: chunked bodies with wrong line ends are accepted"),
    ("jinja2", "3.1.6", "CVE-2025-27516: the sandbox is left through the attr filter"),
    ("jwcrypto", "1.5.6", "CVE-2024-28102: a small token takes all memory"),
    ("psutil", "5.6.6", "CVE-2019-18874: memory is freed twice"),
    ("requests", "2.32.4", "CVE-2024-47081: a crafted address gets the passwords of .netrc"),
    ("urllib3", "2.6.3", "CVE-2026-21441: a redirect's compressed body takes all memory"),
)


@pytest.mark.parametrize(("package", "mended", "advisory"), ADVISORIES)
def test_no_version_that_an_advisory_is_about_is_allowed(package: str, mended: str, advisory: str) -> None:
    floor = next(part.version for part in FLOORS[package].specifier if part.operator == ">=")
    assert Version(floor) >= Version(mended), advisory


@pytest.mark.parametrize("package", sorted(FLOORS))
def test_what_is_tested_with_is_what_is_allowed(package: str) -> None:
    requirement = FLOORS[package]
    if requirement.marker is None or requirement.marker.evaluate():
        assert requirement.specifier.contains(metadata.version(package))
