"""The config file is read as the AWS CLI reads it: botocore, which the CLI reads it with, is the judge."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.configloader import load_config
from botocore.exceptions import ConfigParseError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shellvault.errors import ConfigError
from shellvault.profiles import parse as parse_module
from shellvault.profiles.parse import ConfigFile, load, parse

ODD_FILES = {
    "empty": "",
    "only a newline": "\n",
    "only comments": "# one\n; two\n   # three\n",
    "default": "[default]\nregion = eu-west-1\n",
    "default with the word profile": "[profile default]\nregion = eu-west-1\n",
    "default twice, the second with the word": "[default]\na = 1\n[profile default]\nb = 2\n",
    "default twice, the first with the word": "[profile default]\nb = 2\n[default]\na = 1\n",
    "capital DEFAULT goes to all sections": "[DEFAULT]\nr = x\n[profile a]\nb = 1\n[profile c]\nr = y\n",
    "capital DEFAULT after the profiles": "[profile a]\nb = 1\n[DEFAULT]\nregion = x\n",
    "capital DEFAULT twice": "[DEFAULT]\na = 1\n[profile p]\nc = 3\n[DEFAULT]\nb = 2\n",
    "capital DEFAULT twice with the same key": "[DEFAULT]\na = 1\n[DEFAULT]\na = 2\n",
    "double quotes": '[profile "a b"]\nregion = x\n',
    "single quotes": "[profile 'a b']\nregion = x\n",
    "needless quotes": '[profile "ab"]\nregion = x\n',
    "quotes inside a word": '[profile a" "b]\nregion = x\n',
    "a space behind a backslash": "[profile a\\ b]\nregion = x\n",
    "an escaped quote": '[profile "a\\"b"]\nregion = x\n',
    "an open quote": '[profile "a b]\nregion = x\n',
    "an apostrophe": "[profile dan's]\nregion = x\n",
    "an empty quoted name": '[profile ""]\nregion = x\n',
    "two names": "[profile a b]\nregion = x\n",
    "no name": "[profile]\nregion = x\n",
    "a tab before the name": "[profile\ta]\nregion = x\n",
    "many spaces before the name": "[profile    a   ]\nregion = x\n",
    "a space before the word": "[ profile a]\nregion = x\n",
    "a longer word": "[profiles a]\nregion = x\n",
    "no space": "[profilea]\nregion = x\n",
    "a no-break space": "[profile\u00a0a]\nregion = x\n",
    "a forgotten word": "[work]\nregion = x\n",
    "the same profile in two spellings": '[profile x]\na = 1\n[profile "x"]\nb = 2\n',
    "the same section twice": "[profile x]\na = 1\n[profile x]\nb = 2\n",
    "the same key twice": "[profile x]\na = 1\na = 2\n",
    "the same key twice in different case": "[profile x]\nRegion = 1\nregion = 2\n",
    "keys in any case": "[profile x]\nROLE_ARN = Arn\nMfa_Serial = b\n",
    "a hash after a value": "[profile x]\nregion = eu-west-1 # home\noutput = json ; nice\n",
    "a hash inside a value": "[profile x]\nsso_start_url = https://x.awsapps.com/start#/\n",
    "a comment after a section": "[profile x] # mine\nregion = y\n",
    "a bracket after a section": "[profile x] ]\nregion = y\n",
    "a bracket in a name": "[profile a]b]\nregion = x\n",
    "an open bracket": "[profile a\nregion = x\n",
    "an empty section name": "[]\nregion = x\n",
    "CRLF": "[profile x]\r\nregion = y\r\ns3 =\r\n  a = b\r\n",
    "CR": "[profile x]\rregion = y\r",
    "mixed line ends": "[profile x]\r\nregion = y\noutput = z\r",
    "no newline at the end": "[profile x]\nregion = y",
    "a form feed": "[profile x]\nregion = a\x0cb\n\x0coutput = c\n",
    "a vertical tab and a file separator": "[profile x]\na = 1\x0bb = 2\nc = 3\x1cd\n",
    "a Unicode line separator": "[profile x]\na = 1\u2028b = 2\n",
    "a next-line character in a block": "[profile x]\ns3 =\n  a = 1\u0085b = 2\n",
    "a NUL": "[profile x]\nregion = a\x00b\n",
    "UTF-8 names": "[profile büro-東京]\nregion = y\nnote = naïve ☕\n",
    "an equals sign in a value": "[profile x]\ncredential_process = helper --a=b = c\n",
    "a colon for an equals sign": "[profile x]\nrole_arn: arn:aws:iam::123456789012:role/a\n",
    "a colon before the equals sign": "[profile x]\na:b = c\n",
    "no value": "[profile x]\nregion =\noutput = json\n",
    "no key": "[profile x]\n= value\n",
    "no delimiter": "[profile x]\nregion\n",
    "a key before any section": "region = x\n[profile x]\n",
    "spaces in a key": "[profile x]\nmy key = 1\n",
    "indented keys": "[profile x]\n  region = y\n  output = z\n",
    "keys indented more and more": "[profile x]\n  region = y\n    output = z\n",
    "keys indented less and less": "[profile x]\n    region = y\n  output = z\nlast = 1\n",
    "an indented section": "  [profile x]\nregion = y\n  [profile z]\nregion = w\n",
    "a continued value": "[profile x]\ncredential_process = one\n  two\n  three\n",
    "a continued value with gaps": "[profile x]\na = one\n\n  two\n  # not this\n\n\nb = 3\n",
    "a section that looks like a continuation": "[profile x]\na = 1\n [profile y]\nb = 2\n",
    "a block": "[profile x]\ns3 =\n  max_concurrent_requests = 20\n  Addressing_Style = path\nregion = y\n",
    "a block with gaps and comments": "[profile x]\ns3 =\n\n  a = 1\n  # c\n  b=2\n\nregion = y\n",
    "a block inside a block": "[profile x]\ns3 =\n  a =\n    b = c\n",
    "a block without an equals sign": "[profile x]\ns3 =\n  nonsense\n",
    "a block with the same key twice": "[profile x]\ns3 =\n  a = 1\n  a = 2\n",
    "an sso-session": "[sso-session corp]\nsso_region = y\n[profile x]\nsso_session = corp\n",
    "an sso-session in quotes": '[sso-session "my corp"]\nsso_region = y\n',
    "services": "[services local]\nsts =\n  endpoint_url = http://localhost:4566\n",
    "percent signs": "[profile x]\na = %(region)s %% %\n",
    "dollar signs": "[profile x]\na = ${HOME} $x\n",
    "quotes round a value": "[profile x]\nregion = \"y\"\n",
    "other sections": "[preview]\ncloudfront = true\n[plugins]\na = b\n",
    "a value that looks like a section": "[profile x]\na = [profile y]\n",
    "spaces at the ends of a value": "[profile x]\na =   b c   \t\n",
}  # fmt: skip

Groups = dict[str, dict[str, Any]]


def by_botocore(path: Path) -> Groups | None:
    """Profiles, sso-sessions and services as botocore reads them; None where it refuses the file."""
    try:
        loaded = load_config(str(path))
    except ConfigParseError:
        return None
    return {group: loaded[group] for group in ("profiles", "sso_sessions", "services")}


def by_shellvault(path: Path) -> Groups | None:
    try:
        config = load(path)
    except ConfigError as refused:
        assert str(refused).startswith(f"{path}:"), refused
        assert str(refused).isprintable()
        return None
    groups = {"profiles": config.profiles, "sso_sessions": config.sso_sessions, "services": config.services}
    return {
        group: {name: {k: plain(v) for k, v in section.values.items()} for name, section in sections.items()}
        for group, sections in groups.items()
    }


def plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config"
    path.write_bytes(text.encode())
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        load(path)
    return str(refused.value)


@pytest.mark.parametrize("text", ODD_FILES.values(), ids=ODD_FILES.keys())
def test_odd_files_are_read_as_botocore_reads_them(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    assert by_shellvault(path) == by_botocore(path)


FRAGMENTS = st.sampled_from(
    ["[default]", "[DEFAULT]", "[profile a]", '[profile "a b"]', "[profile 'q]", "[sso-session s]",
     "[services v]", "region", "Region", "s3", "a", "=", ":", " = ", " =\n", "\n", "\n\n", "\r\n", "\r", " ",
     "  ", "\t", "#", ";", "[", "]", "x", "é", "\x0b", "\x1c", "\u2028", "\u0085", "\u00a0", "\x00", "'", '"',
     "\\", "value", "\n[profile b]\n"]
)  # fmt: skip


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FRAGMENTS, max_size=40).map("".join))
def test_any_file_is_read_as_botocore_reads_it(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    assert by_shellvault(path) == by_botocore(path)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_line(data: bytes) -> None:
    try:
        parse(data, Path("config"))
    except ConfigError as refused:
        assert str(refused).startswith("config:") and str(refused).isprintable()


def test_a_missing_file_is_an_empty_one(tmp_path: Path) -> None:
    config = load(tmp_path / "none" / "config")
    assert not config.exists
    assert config.profile_names == ()


def test_dev_null_is_no_file() -> None:
    assert not load(Path("/dev/null")).exists


def test_a_byte_order_mark_is_passed_over_and_noted(tmp_path: Path) -> None:
    config = load(written(tmp_path, "\ufeff[profile a]\nregion = x\n"))
    assert config.section("a") == {"region": "x"}
    assert "byte order mark" in config.notes[0]


def test_names_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    config = load(written(tmp_path, "[profile b]\n[default]\n[profile a]\n"))
    assert config.profile_names == ("b", "default", "a")


def test_sections_and_keys_know_their_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "# top\r\n\r\n[profile a]\r\nx =\r\n  y = 1\r\nregion = z\r\n")
    section = load(path).profiles["a"]
    assert section.line == 3
    assert section.lines == {"x": 4, "region": 6}


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("region = x\n", 1, "before the first section"),
        ("[profile x]\n\nregion\n", 3, "neither `key = value` nor a [section]"),
        ("[profile x]\na = 1\n[profile x]\n", 3, "[profile x] is on line 1 already"),
        ("[profile x]\na = 1\nb = 2\nA = 3\n", 4, "a is on line 2 already"),
        ("[profile x]\ns3 =\n  nonsense\n", 2, "indented lines"),
    ],
)
def test_an_error_names_file_and_line(tmp_path: Path, text: str, line: int, problem: str) -> None:
    path = written(tmp_path, text)
    message = refusal(path)
    assert message.startswith(f"{path}:{line}: ") and problem in message


def test_an_error_does_not_repeat_a_line_that_may_hold_a_secret(tmp_path: Path) -> None:
    assert "wJalrXUt" not in refusal(written(tmp_path, "[default]\naws_secret_access_key wJalrXUtnFEMI\n"))


def test_bytes_that_are_not_utf8_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(b"[profile a]\nregion = x\nnote = caf\xe9\n")
    assert refusal(path) == f"{path}:3: this line is not UTF-8: save the file as UTF-8"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert "is not a file" in refusal(tmp_path)


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config")
    assert "is not a file" in refusal(tmp_path / "config")


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    path.chmod(0)
    user = os.geteuid()
    os.seteuid(user or 65534)  # root may read everything, nobody may not
    try:
        assert "cannot be read: Permission denied" in refusal(path)
    finally:
        os.seteuid(user)


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config").symlink_to("config")
    assert "cannot be read: Too many levels of symbolic links" in refusal(tmp_path / "config")


def test_a_path_with_a_nul_is_refused() -> None:
    assert "is not a path" in refusal(Path("/tmp/\0config"))


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config"
    with path.open("wb") as file:
        file.truncate(parse_module.MAX_BYTES + 1)
    assert "larger than 16 MiB" in refusal(path)


def test_hostile_names_cannot_forge_lines_of_a_message(tmp_path: Path) -> None:
    message = refusal(written(tmp_path, "[profile \x1b[2Jx]\n[profile \x1b[2Jx]\n"))
    assert message.isprintable() and "\\x1b" in message


def test_a_name_of_two_words_is_noted(tmp_path: Path) -> None:
    path = written(tmp_path, "[default]\n[profile a b]\n")
    (note,) = load(path).notes
    assert note == f"{path}:2: [profile a b] is not read: a name with spaces must stand in quotes"


def test_a_section_that_replaces_another_is_noted(tmp_path: Path) -> None:
    path = written(tmp_path, "[default]\na = 1\n[profile default]\n")
    assert load(path).notes == (f"{path}:3: [profile default] replaces [default] of line 1",)


def test_values_do_not_show_in_a_repr(tmp_path: Path) -> None:
    config: ConfigFile = load(written(tmp_path, "[default]\naws_secret_access_key = wJalrXUtnFEMI\n"))
    assert "wJalr" not in repr(config)


def test_a_thousand_profiles_are_read_in_well_under_50_ms(tmp_path: Path) -> None:
    keys = "region = eu-west-1\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n\n"
    path = written(tmp_path, "".join(f"[profile p{number}]\n{keys}" for number in range(1000)))
    best = min(_seconds(path) for _ in range(5))
    assert best < 0.05


def test_reading_a_profile_imports_no_part_of_the_sdk() -> None:
    code = "import sys, shellvault.profiles.resolve, shellvault.profiles.edit; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"botocore", "boto3", "configparser", "filelock"} & set(loaded)


def _seconds(path: Path) -> float:
    start = time.process_time()
    assert len(load(path).profile_names) == 1000
    return time.process_time() - start
