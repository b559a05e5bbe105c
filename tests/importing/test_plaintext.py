"""Keys in plaintext are found where every AWS tool reads them, and taken out without touching the rest."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shellvault.importing import plaintext
from shellvault.importing.found import Found

CREDENTIALS = """\
# mine
[default]
aws_access_key_id = AKIADEFAULT00000
aws_secret_access_key = secret/of+default

[work] ; the firm's
region=eu-west-3
 aws_secret_access_key : secret/of+work
aws_access_key_id:AKIAWORK00000000
mfa_serial = arn:aws:iam::123456789012:mfa/me

[session]
aws_access_key_id = ASIASESSION00000
aws_secret_access_key = s
aws_session_token = t

[half]
aws_access_key_id = AKIAHALF00000000

[commented]
#aws_access_key_id = AKIAOLD000000000
#aws_secret_access_key = x
"""


def never_asked(*_: object) -> str:
    raise AssertionError("no person may be asked")


def pairs(found: list[Found]) -> dict[str, tuple[str, str]]:
    loaded = {each.name: each.load(never_asked) for each in found}
    return {name: (keys.access_key_id, keys.secret_access_key) for name, keys in loaded.items()}


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "credentials"
    path.write_text(CREDENTIALS)
    return path


def test_long_term_pairs_are_found_with_place_and_settings(credentials: Path) -> None:
    found = list(plaintext.in_file(credentials, is_config=False))
    assert pairs(found) == {
        "default": ("AKIADEFAULT00000", "secret/of+default"),
        "work": ("AKIAWORK00000000", "secret/of+work"),
    }
    assert [each.where for each in found] == [f"{credentials}:3", f"{credentials}:9"]
    assert found[1].settings == {"region": "eu-west-3", "mfa_serial": "arn:aws:iam::123456789012:mfa/me"}
    assert all(each.is_plaintext for each in found)
    assert "secret/of" not in repr(found)


def test_in_the_config_file_profiles_are_named_as_there(tmp_path: Path) -> None:
    path = tmp_path / "config"
    keys = "aws_access_key_id=AKIAX000\naws_secret_access_key=yyyy\n"
    path.write_text(
        f'[profile a]\n{keys}[default]\n{keys}[profile "b c"]\n{keys}[d]\n{keys}[sso-session e]\n{keys}'
    )
    assert list(pairs(list(plaintext.in_file(path, is_config=True)))) == ["a", "default", "b c"]


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert list(plaintext.in_file(tmp_path / "none", is_config=False)) == []


def test_taking_keys_out_leaves_one_comment_and_every_other_byte() -> None:
    changed = plaintext.without_keys(CREDENTIALS.encode(), ["work"], is_config=False).decode()
    assert changed == CREDENTIALS.replace(
        " aws_secret_access_key : secret/of+work\naws_access_key_id:AKIAWORK00000000\n",
        f"{plaintext.COMMENT}\n",
    )
    assert plaintext.without_keys(changed.encode(), ["work"], is_config=False).decode() == changed


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_stay_and_so_does_a_missing_last_one(end: str) -> None:
    text = f"[a]{end}aws_access_key_id = AKIAX000{end}region = x{end}aws_secret_access_key = yyyy"
    changed = plaintext.without_keys(text.encode(), ["a"], is_config=False).decode()
    assert changed == f"[a]{end}{plaintext.COMMENT}{end}region = x{end}"


def test_duplicate_sections_and_continued_values_go_too() -> None:
    text = "[a]\naws_access_key_id = AKIAX000\n[b]\nregion = x\n[a]\naws_secret_access_key =\n  yyyy\noutput = json\n"
    changed = plaintext.without_keys(text.encode(), ["a"], is_config=False).decode()
    assert "AKIAX000" not in changed
    assert "yyyy" not in changed
    assert "output = json" in changed


LINES = st.sampled_from(
    [
        "[a]",
        "[b]",
        "[profile a]",
        "aws_access_key_id = AKIAX000",
        "aws_secret_access_key = yyyy",
        "  aws_secret_access_key=zzzz",
        "region = x",
        "# aws_access_key_id = AKIAOLD0",
        "; note",
        "",
        "s3 =",
        "  max = 5",
        "nonsense",
        "ü = \udcff",
    ]
)


@given(st.lists(LINES, max_size=14), st.booleans())
def test_whatever_stands_in_the_file_only_the_keys_go(lines: list[str], is_config: bool) -> None:
    data = "\n".join(lines).encode("utf-8", "surrogateescape")
    try:
        changed = plaintext.without_keys(data, ["a"], is_config=is_config)
    except plaintext.ImportingError:
        return
    kept = [line for line in changed.split(b"\n") if line != plaintext.COMMENT.encode()]
    rest = iter(data.split(b"\n"))
    assert all(line in rest for line in kept if line), "a line was moved or made up"
    assert not [
        name
        for name, (values, _) in plaintext._sections(changed, is_config=is_config).items()
        if name == "a" and plaintext.SECRET_ACCESS_KEY in values
    ]


def test_the_environment_is_a_place_too_but_not_for_a_session() -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAX000",
        "AWS_SECRET_ACCESS_KEY": "yyyy",
        "AWS_REGION": "eu-west-3",
    }
    (found,) = plaintext.in_environment(environment, "work")
    assert (found.name, found.settings) == ("work", {"region": "eu-west-3"})
    assert pairs([found]) == {"work": ("AKIAX000", "yyyy")}
    assert not list(plaintext.in_environment(environment | {"AWS_SESSION_TOKEN": "t"}, "work"))


def test_the_credentials_file_is_where_the_environment_says(tmp_path: Path) -> None:
    assert plaintext.credentials_path({"HOME": "/h"}) == Path("/h/.aws/credentials")
    assert plaintext.credentials_path({"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path)}) == tmp_path


@pytest.mark.parametrize(
    ("key_id", "secret"),
    [
        ("YOUR_ACCESS_KEY_ID", "YOUR_SECRET"),
        ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("AKIAXXXXXXXXXXXXXXX", "ssss"),
        ("<your key>", "ssss"),
        ("AKIA0000000000000000", "x" * 40),
        ("AKIA0000000000000000", "two words"),
    ],
)
def test_what_stands_for_keys_is_none(tmp_path: Path, key_id: str, secret: str) -> None:
    path = tmp_path / "credentials"
    path.write_text(f"[a]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n")
    assert list(plaintext.in_file(path, is_config=False)) == []


@pytest.mark.parametrize("quote", ["'", '"'])
def test_quoted_keys_are_keys_and_can_be_taken_out(tmp_path: Path, quote: str) -> None:
    path = tmp_path / "credentials"
    path.write_text(
        f"[a]\naws_access_key_id = {quote}AKIAX000{quote}\naws_secret_access_key = {quote}yyyy{quote}\n"
    )
    assert pairs(list(plaintext.in_file(path, is_config=False))) == {"a": ("AKIAX000", "yyyy")}
    assert b"yyyy" not in plaintext.without_keys(path.read_bytes(), ["a"], is_config=False)


def test_a_mark_before_the_first_section_is_none_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.write_text("\ufeff[a]\naws_access_key_id = AKIAX000\naws_secret_access_key = yyyy\n")
    assert pairs(list(plaintext.in_file(path, is_config=False))) == {"a": ("AKIAX000", "yyyy")}
    changed = plaintext.without_keys(path.read_bytes(), ["a"], is_config=False).decode()
    assert changed == f"\ufeff[a]\n{plaintext.COMMENT}\n"
