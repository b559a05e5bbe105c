"""The config file is read as the SDKs and the AWS CLI read it; botocore judges, and what differs is noted."""

import os
import re
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
from shellvault.profiles.parse import ConfigFile, decode, encode, load, parse

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
    except (ConfigParseError, UnicodeDecodeError):
        return None
    return {group: loaded[group] for group in ("profiles", "sso_sessions", "services")}


def by_shellvault(config: ConfigFile) -> Groups:
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


def check_against_botocore(path: Path) -> None:
    config = load(path)
    remarks = config.remarks()
    assert all(re.match(rf"{re.escape(str(path))}:[0-9]+: ", remark) for remark in remarks), remarks
    assert all(remark.isprintable() for remark in remarks)
    assert remarks or by_shellvault(config) == by_botocore(path)


@pytest.mark.parametrize("text", ODD_FILES.values(), ids=ODD_FILES.keys())
def test_odd_files_are_read_as_botocore_reads_them_or_noted(tmp_path: Path, text: str) -> None:
    check_against_botocore(written(tmp_path, text))


def test_hardly_any_odd_file_needs_a_note(tmp_path: Path) -> None:
    noted = [name for name, text in ODD_FILES.items() if load(written(tmp_path, text)).remarks()]
    assert len(noted) < len(ODD_FILES) / 2, noted


FRAGMENTS = st.sampled_from(
    ["[default]", "[DEFAULT]", "[profile a]", '[profile "a b"]', "[profile 'q]", "[sso-session s]",
     "[services v]", "region", "Region", "s3", "a", "=", ":", " = ", " =\n", "\n", "\n\n", "\r\n", "\r", " ",
     "  ", "\t", "#", ";", " # c", " ; d", "[", "]", "[ profile a ]",
     "[profile default]", "x", "é", "\x0b", "\x1c", "\u2028", "\u0085", "\u00a0", "\x00", "'", '"',
     "\\", "value", "\n[profile b]\n"]
)  # fmt: skip


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FRAGMENTS, max_size=40).map("".join))
def test_any_file_is_read_as_botocore_reads_it_or_noted(tmp_path: Path, text: str) -> None:
    check_against_botocore(written(tmp_path, text))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read(data: bytes) -> None:
    remarks = parse(data, Path("config")).remarks()
    assert all(remark.startswith("config:") and remark.isprintable() for remark in remarks)
    assert encode(decode(data)) == data


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


# The SDKs' specification, where the AWS CLI reads otherwise


def profiles(text: str) -> Mapping[str, Any]:
    return by_shellvault(parse(text.encode(), Path("config")))["profiles"]


def remarks(text: str) -> list[str]:
    return parse(text.encode(), Path("config")).remarks()


@pytest.mark.parametrize(
    ("text", "expected", "remark"),
    [
        (
            "[profile a]\nregion = x # home\n",
            {"a": {"region": "x"}},
            "config:2: region: the AWS CLI takes the comment for a part of the value",
        ),
        (
            "[profile a]\nregion = ; none\n",
            {"a": {"region": ""}},
            "config:2: region: the AWS CLI takes the comment for a part of the value",
        ),
        (
            "[profile a]\nx = 1\n[profile b]\n[profile a]\ny = 3\n",
            {"a": {"x": "1", "y": "3"}, "b": {}},
            "config:4: [profile a] is on line 1 already: the two are one here, the AWS CLI refuses the file",
        ),
        (
            '[profile a]\nx = 1\n[profile "a"]\ny = 2\n',
            {"a": {"x": "1", "y": "2"}},
            'config:3: [profile "a"] is on line 1 already: the two are one here, the AWS CLI reads this one alone',
        ),
        (
            "[profile a]\nX = 1\nx = 2\n",
            {"a": {"x": "2"}},
            "config:3: x is on line 2 already: this one counts, the AWS CLI refuses the file",
        ),
        (
            "[profile default]\nx = 1\n[default]\ny = 2\n",
            {"default": {"x": "1"}},
            "config:1: [profile default] and [default] of line 3: it alone counts, "
            "the AWS CLI reads the later of the two",
        ),
        (
            "[  profile a  ]\nx = 1\n",
            {"a": {"x": "1"}},
            "config:1: the AWS CLI does not read [profile a]: leave nothing inside or after the brackets",
        ),
        (
            "[default ]\nx = 1\n",
            {"default": {"x": "1"}},
            "config:1: the AWS CLI does not read [default]: leave nothing inside or after the brackets",
        ),
        (
            "[profile a] # see [b]\nx = 1\n",
            {"a": {"x": "1"}},
            "config:1: the AWS CLI does not read [profile a]: leave nothing inside or after the brackets",
        ),
        (
            "[profile a]\nmy key = 1\n",
            {"a": {}},
            "config:2: this is not a valid key and is ignored",
        ),
        (
            "[default]\n[profile a b]\n",
            {"default": {}},
            "config:2: [profile a b] is not read: a name is one word, or in quotes",
        ),
        (
            "x = 1\n[profile a]\n",
            {"a": {}},
            "config:1: this line stands before the first section and is not read: put [default] above it",
        ),
    ],
)  # fmt: skip
def test_where_cli_and_sdks_differ_the_sdks_count_with_a_note(
    text: str, expected: Mapping[str, Any], remark: str
) -> None:
    assert profiles(text) == expected
    assert remarks(text) == [remark]


@pytest.mark.parametrize(
    "text", ["[profile a]\nu = https://x/start#/\n", "[profile a] # mine\n", "[profile a];\n"]
)
def test_comments_that_the_cli_knows_need_no_note(text: str) -> None:
    assert remarks(text) == []


def test_lines_that_continue_a_value_keep_their_comments() -> None:
    assert profiles("[profile a]\nx = 1\n  2 # 3\n") == {"a": {"x": "1\n2 # 3"}}


@pytest.mark.parametrize(
    ("bad", "line", "problem"),
    [
        ("[profile bad]\n\nregion\n", 5, "neither `key = value` nor a [section]"),
        ("[profile bad]\n= value\n", 4, "neither `key = value` nor a [section]"),
        ("[profile bad\nx = 1\n", 3, "no closing ]"),
        ("[profile bad]\ns3 =\n  nonsense\n", 4, "indented lines"),
        ("[profile bad]\ns3 =\n  = x\n", 4, "indented lines"),
    ],
)
def test_an_unreadable_line_costs_only_its_profile(bad: str, line: int, problem: str) -> None:
    config = parse(f"[profile good]\nx = 1\n{bad}[profile last]\nx = 2\n".encode(), Path("config"))
    assert config.profile_names == ("good", "bad", "last")
    assert [config.section(name).get("x") for name in ("good", "last")] == ["1", "2"]
    found = config.profiles["bad"].problem
    assert found is not None and found.startswith(f"config:{line}: ") and problem in found
    assert config.profiles["good"].problem is None is config.profiles["last"].problem
    assert config.remarks() == [f"{found}, and this section is not usable"]


def test_a_remark_does_not_repeat_a_line_that_may_hold_a_secret() -> None:
    (remark,) = remarks("[default]\naws_secret_access_key wJalrXUtnFEMI\n")
    assert "wJalrXUt" not in remark


def test_bytes_that_are_not_utf8_cost_only_their_profile() -> None:
    data = b"# caf\xe9\n[profile a]\nregion = x\nnote = caf\xe9\n[profile b]\n"
    config = parse(data, Path("config"))
    assert config.remarks() == [
        "config:4: this line is not UTF-8: save the file as UTF-8, and this section is not usable",
        "config:1: this line is not UTF-8: the AWS CLI refuses the file",
    ]
    assert config.profiles["b"].problem is None


def test_a_file_full_of_odd_lines_gives_a_few_notes() -> None:
    assert len(remarks("[profile a]\n" + "x y = 1\n" * 10_000)) < 30


# Files that are none


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


def test_hostile_names_cannot_forge_lines_of_a_message() -> None:
    assert all(remark.isprintable() for remark in remarks("[profile \x1b[2Jx]\n[profile \x1b[2Jx]\n"))


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


def test_a_file_that_has_not_changed_is_parsed_once(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("[profile one]\n")
    assert load(path) is not load(path)
    os.utime(path, (1, 1))
    first = load(path)
    assert load(path) is first
    path.write_text("[profile two]\n")
    assert load(path).profile_names == ("two",)
