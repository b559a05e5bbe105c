"""Edits of the config file: what was asked for is there, and every other byte is where it was."""

import multiprocessing
import os
import re
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from botocore.configloader import load_config
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from shellvault import locks
from shellvault.errors import ConfigError
from shellvault.profiles import edit
from shellvault.profiles.edit import append_profile, set_key
from shellvault.profiles.parse import encode, load

MFA = {"mfa_serial": "arn:aws:iam::123456789012:mfa/me"}
ADDED = b"[profile work]\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n"


def config(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "config"
    path.write_bytes(data)
    return path


def appended(tmp_path: Path, data: bytes) -> bytes:
    path = config(tmp_path, data)
    append_profile(path, "work", MFA)
    after = path.read_bytes()
    assert after.startswith(data)
    return after.removeprefix(data)


def refusal(path: Path, name: str = "work", settings: Mapping[str, str] = MFA) -> str:
    before = path.read_bytes()
    with pytest.raises(ConfigError) as refused:
        append_profile(path, name, settings)
    assert path.read_bytes() == before
    assert leftovers(path) == set()
    assert str(refused.value).isprintable()
    return str(refused.value)


def leftovers(path: Path) -> set[str]:
    """Files next to the config file that no edit may leave behind."""
    kept = {path.name, path.name + edit.BACKUP_SUFFIX, f".{path.name}.shellvault-lock"}
    return {file.name for file in path.parent.iterdir()} - kept


# Appending


@pytest.mark.parametrize(
    ("before", "gap"),
    [
        (b"", b""),
        (b"\n", b""),
        (b"[default]\n", b"\n"),
        (b"[default]", b"\n\n"),
        (b"[default]\n\n", b""),
        (b"[default]\n  \n", b""),
        (b"[default]\nregion = x", b"\n\n"),
        (b"# only a comment", b"\n\n"),
        (b"[default]\ns3 =\n  a = b\n", b"\n"),
    ],
)
def test_a_profile_goes_to_the_end_after_one_empty_line(tmp_path: Path, before: bytes, gap: bytes) -> None:
    assert appended(tmp_path, before) == gap + ADDED


def test_crlf_files_stay_crlf_files(tmp_path: Path) -> None:
    assert appended(tmp_path, b"[default]\r\nregion = x\r\n") == b"\r\n" + ADDED.replace(b"\n", b"\r\n")


def test_a_byte_order_mark_stays(tmp_path: Path) -> None:
    assert appended(tmp_path, b"\xef\xbb\xbf") == ADDED
    assert appended(tmp_path, b"\xef\xbb\xbf[default]\n") == b"\n" + ADDED


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("work", "[profile work]"),
        ("default", "[default]"),
        ("a b", '[profile "a b"]'),
        ("büro-東京", "[profile büro-東京]"),
        ("a.b@c+d:e/f=g,h%i", "[profile a.b@c+d:e/f=g,h%i]"),
        ("dan's", '[profile "dan\'s"]'),
        ('a"b', '[profile "a\\"b"]'),
        ("a\\b", '[profile "a\\\\b"]'),
        ("#x;", '[profile "#x;"]'),
        (" x ", '[profile " x "]'),
    ],
)
def test_every_name_reads_back_by_botocore(tmp_path: Path, name: str, header: str) -> None:
    path = config(tmp_path, b"[profile other]\nregion = x\n")
    append_profile(path, name, {"region": "eu-west-1", "sso_start_url": "https://x.example/start#/"})
    assert f"\n{header}\n" in path.read_text()
    assert load_config(str(path))["profiles"] == {
        "other": {"region": "x"},
        name: {"region": "eu-west-1", "sso_start_url": "https://x.example/start#/"},
    }


@pytest.mark.parametrize(
    "existing",
    ["[profile work]", '[profile "work"]', "[profile 'work']", "[profile\twork]", "[profiles work]"],
)
def test_a_profile_that_exists_in_any_spelling_is_refused(tmp_path: Path, existing: str) -> None:
    path = config(tmp_path, f"# mine\n{existing}\n".encode())
    assert refusal(path) == f"{path}:2: profile work exists already"


@pytest.mark.parametrize("existing", ["[default]", "[profile default]"])
def test_a_default_that_exists_is_refused(tmp_path: Path, existing: str) -> None:
    assert "exists already" in refusal(config(tmp_path, existing.encode()), "default")


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb", "a\rb", "a\x00b", "a\x1b[1m", "a]b", "[a", "a\u2028b", "a\udcffb"]
)
def test_a_name_that_a_header_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    assert "cannot be a profile name" in refusal(config(tmp_path, b"[default]\n"), name)


@pytest.mark.parametrize(
    "value", ["a\nb", "a\rb", "a\x00", "\x1b", " a", "a ", "a\u2028b", "a\udcffb", "a # b", ";"]
)
def test_a_value_that_a_line_cannot_hold_is_refused(tmp_path: Path, value: str) -> None:
    assert "cannot stand in" in refusal(config(tmp_path, b"[default]\n"), settings={"region": value})


@pytest.mark.parametrize("key", ["", "A", "a b", "a=b", "a:b", "#a", "[a]", "a\nb", "1a"])
def test_a_key_that_is_none_is_refused(tmp_path: Path, key: str) -> None:
    assert "is not a key" in refusal(config(tmp_path, b"[default]\n"), settings={key: "x"})


@pytest.mark.parametrize(
    "strange",
    [
        b"[default]\nnonsense\n",
        b"stray = 1\n",
        b"[profile a\nregion = x\n",
        b"[profile a]\ns3 =\n  nonsense\n",
        b"[profile a]\nx = 1\n[profile a]\nx = 2\n",
        b"[profile default]\n[default]\nregion = x # home\n",
        b"# caf\xe9\n[profile a]\nnote = caf\xe9\n",
    ],
)
def test_strange_lines_elsewhere_stay_as_they_are(tmp_path: Path, strange: bytes) -> None:
    assert appended(tmp_path, strange) == b"\n" + ADDED
    remarks = load(tmp_path / "config").remarks()
    path = config(tmp_path, strange + b"[profile work]\nregion = y\n")
    set_key(path, "work", "mfa_serial", "abc")
    assert path.read_bytes() == strange + b"[profile work]\nmfa_serial = abc\nregion = y\n"
    assert load(path).remarks() == remarks


def test_a_key_goes_to_the_first_of_two_sections_of_one_name(tmp_path: Path) -> None:
    path = config(tmp_path, b"[profile work]\n[profile b]\n[profile work]\n  a = 1\n")
    set_key(path, "work", "region", "x")
    assert dict(load(path).section("work")) == {"region": "x", "a": "1"}
    with pytest.raises(ConfigError, match=":5: a is set already"):
        set_key(path, "work", "a", "2")


def test_a_section_with_an_unreadable_line_gets_no_key(tmp_path: Path) -> None:
    path = config(tmp_path, b"[profile work]\nnonsense\n")
    with pytest.raises(ConfigError, match=":2: this line is neither"):
        set_key(path, "work", "region", "x")


TEXTS = st.lists(
    st.sampled_from(
        ["[default]", "[DEFAULT]", "[profile a]", '[profile "b c"]', "region", " = ", "x", "\n", "\r\n", "\r",
         "  ", "# c", "é", "s3 =\n  a = b", "\nkey = value", "\n[profile d]\n", "\x0b", "\u2028", "\ufeff",
         "\nnonsense\n", "[profile a", "[profile default]", "\na b = 1\n", " ; d", "\udce9"]
    ),
    max_size=20,
).map("".join)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXTS, st.text(min_size=1, max_size=8), st.text(max_size=12))
def test_appending_keeps_every_byte_and_adds_one_profile(
    tmp_path: Path, text: str, name: str, value: str
) -> None:
    path = config(tmp_path, encode(text))
    try:
        old = load(path)
        append_profile(path, name, {"region": value})
    except ConfigError:
        assume(False)
    assert path.read_bytes().startswith(encode(text))
    new = load(path)
    assert new.profile_names == (*old.profile_names, name)
    assert new.section(name)["region"] == value
    assert {other: new.section(other) for other in old.profile_names} == {
        other: old.section(other) for other in old.profile_names
    }
    assert len(new.remarks()) == len(old.remarks())
    if not old.remarks():
        assert load_config(str(path))["profiles"][name]["region"] == value


# One key into a section


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[profile work]\n", "[profile work]\nregion = x\n"),
        ("[profile work]", "[profile work]\nregion = x\n"),
        ("[profile work]\r\na = 1\r\n", "[profile work]\r\nregion = x\r\na = 1\r\n"),
        ("[profile work] # c\n# d\n\n  a = 1\n", "[profile work] # c\n  region = x\n# d\n\n  a = 1\n"),
        ("  [profile work]\n  [profile b]\n", "  [profile work]\n  region = x\n  [profile b]\n"),
        ("[profile work]\ns3 =\n  a = b\n", "[profile work]\nregion = x\ns3 =\n  a = b\n"),
        ("\ufeff[profile work]\n", "\ufeff[profile work]\nregion = x\n"),
    ],
)
def test_a_key_becomes_the_first_line_of_its_section(tmp_path: Path, before: str, after: str) -> None:
    path = config(tmp_path, before.encode())
    set_key(path, "work", "region", "x")
    assert path.read_bytes() == after.encode()


def test_a_key_that_is_set_is_not_changed(tmp_path: Path) -> None:
    path = config(tmp_path, b"[profile work]\nRegion = y\n")
    with pytest.raises(ConfigError, match=f"^{re.escape(str(path))}:2: region is set already"):
        set_key(path, "work", "region", "x")


def test_a_key_needs_its_profile(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no profile work"):
        set_key(config(tmp_path, b"[default]\n"), "work", "region", "x")


def test_a_key_that_would_change_its_neighbours_is_refused(tmp_path: Path) -> None:
    path = config(tmp_path, b"[profile work]\n  [profile other]\na = 1\n")
    with pytest.raises(ConfigError, match="make this change by hand"):
        set_key(path, "work", "region", "x")
    assert path.read_bytes() == b"[profile work]\n  [profile other]\na = 1\n"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXTS)
def test_setting_a_key_keeps_every_other_line(tmp_path: Path, text: str) -> None:
    path = config(tmp_path, encode(f"{text}\n[profile work]\n  a = 1\n{text.replace('[', '#')}"))
    before = path.read_bytes()
    try:
        set_key(path, "work", "mfa_serial", "abc")
    except ConfigError:
        assume(False)
    # Set in as the lines around it, with whatever Python takes for blanks.
    line = re.compile(rb"[^\w\r\n]*mfa_serial = abc\r?\n")
    assert line.sub(b"", path.read_bytes(), count=1) == before
    assert load(path).section("work")["mfa_serial"] == "abc"


# The file itself


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_private_in_a_private_folder(tmp_path: Path) -> None:
    path = tmp_path / ".aws" / "config"
    append_profile(path, "work", MFA)
    assert path.read_bytes() == ADDED
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert not path.with_name("config.shellvault-backup").exists()


@pytest.mark.parametrize("bits", [0o600, 0o644, 0o660])
def test_the_mode_stays_and_the_backup_is_for_its_owner(tmp_path: Path, bits: int) -> None:
    path = config(tmp_path, b"[default]\n")
    path.chmod(bits)
    append_profile(path, "work", MFA)
    assert mode(path) == bits
    assert mode(tmp_path / "config.shellvault-backup") == 0o600


def test_there_is_one_backup_the_file_before_the_last_edit(tmp_path: Path) -> None:
    path = config(tmp_path, b"[default]\n")
    append_profile(path, "one", {})
    after_one = path.read_bytes()
    append_profile(path, "two", {})
    assert (tmp_path / "config.shellvault-backup").read_bytes() == after_one
    assert leftovers(path) == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_the_owner_stays(tmp_path: Path) -> None:
    path = config(tmp_path, b"")
    os.chown(path, 65534, 65534)
    append_profile(path, "work", MFA)
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


def test_a_link_stays_and_its_target_is_edited(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    target = config(tmp_path / "dotfiles", b"[default]\n")
    link = tmp_path / "config"
    link.symlink_to("dotfiles/config")
    append_profile(link, "work", MFA)
    assert link.is_symlink()
    assert target.read_bytes() == b"[default]\n\n" + ADDED


def test_a_link_whose_target_is_missing_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "config"
    link.symlink_to("elsewhere")
    append_profile(link, "work", MFA)
    assert link.is_symlink() and (tmp_path / "elsewhere").read_bytes() == ADDED


def test_what_is_not_a_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config")
    with pytest.raises(ConfigError, match="is not a file"):
        append_profile(tmp_path / "config", "work", MFA)
    assert list(tmp_path.iterdir()) == [tmp_path / "config"]


def test_an_edit_by_another_program_meanwhile_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(tmp_path, b"[default]\n")
    check_result = edit._check_result

    def check_slowly(*arguments: object) -> None:
        check_result(*arguments)  # type: ignore[arg-type]
        path.write_bytes(b"[default]\nregion = theirs\n")

    monkeypatch.setattr(edit, "_check_result", check_slowly)
    with pytest.raises(ConfigError, match="was changed by another program just now"):
        append_profile(path, "work", MFA)
    assert path.read_bytes() == b"[default]\nregion = theirs\n"
    assert leftovers(path) == set()


def test_a_failing_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config(tmp_path, b"[default]\n")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "cannot be changed: No space left on device" in refusal(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
@pytest.mark.parametrize("obstacle", ["folder", "lock"])
def test_what_cannot_be_edited_is_known_at_once(obstacle: str) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        folder = Path(name)
        path = config(folder, b"[default]\n")
        folder.chmod(0o755 if obstacle == "folder" else 0o777)
        if obstacle == "lock":
            (folder / ".config.shellvault-lock").touch(mode=0o600)
        started = time.monotonic()
        os.seteuid(65534)
        try:
            with pytest.raises(ConfigError, match="cannot lock"):
                edit.check_editable(path, "work")
        finally:
            os.seteuid(0)
        assert time.monotonic() - started < 1
        edit.check_editable(path, "work")
        assert path.read_bytes() == b"[default]\n" and leftovers(path) == set()


def test_an_unreadable_profile_is_refused_before_an_edit(tmp_path: Path) -> None:
    path = config(tmp_path, b"[profile work]\nnonsense\n")
    edit.check_editable(path, "other")
    with pytest.raises(ConfigError, match=":2: this line is neither"):
        edit.check_editable(path, "work")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be changed: "):
        append_profile(tmp_path / "file" / "config", "work", MFA)


def test_an_edit_waits_for_another_one_and_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config(tmp_path, b"[default]\n")
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.05)
    with locks.held(locks.writers_lock(tmp_path / ".config.shellvault-lock"), ConfigError):
        assert "another command has been writing" in refusal(path)


def _append(path: Path, name: str) -> None:
    append_profile(path, name, {"region": name})


def test_many_processes_at_once_lose_no_profile(tmp_path: Path) -> None:
    path = tmp_path / "config"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append, args=(path, f"p{number}")) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert set(load(path).profile_names) == {f"p{number}" for number in range(6)}
