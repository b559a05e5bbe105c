"""The file store of aws-vault and its kin: found without a passphrase, opened with it, checked in every byte."""

import base64
import json
from pathlib import Path

import pytest

from shellvault.importing import encrypted_files, items
from shellvault.importing.items import ImportingError
from tests.importing.stores import credential, write_encrypted


def data_in(path: Path, passphrase: str) -> bytes:
    """What a person with one passphrase gets of a file, asked once."""

    def ask(title: str, variable: str, problem: str | None) -> str:
        if problem:
            raise ImportingError(problem)
        return passphrase

    return encrypted_files.Folder("aws-vault", "AWS_VAULT_FILE_PASSPHRASE", (), [path]).data(path, ask)


NAMES = ["work", "a/b", "mit Leerzeichen", "üñí", "..x", "100%", "sts"]


@pytest.mark.parametrize("name", NAMES)
def test_a_key_pair_comes_out_as_it_went_in(tmp_path: Path, name: str) -> None:
    path = write_encrypted(tmp_path / "keys", name, credential("AKIAEXAMPLE00000", "se/cr+et="), "pässword")
    assert list(encrypted_files.keys_in(tmp_path / "keys")) == [(name, path)]
    keys = items.keys_of(data_in(path, "pässword"), "here")
    assert (keys.access_key_id, keys.secret_access_key) == ("AKIAEXAMPLE00000", "se/cr+et=")


def test_sessions_and_tokens_are_passed_over(tmp_path: Path) -> None:
    for key in (
        "sts.GetSessionToken,d29yaw,bWZh,1790000000",
        "oidc:https://x.awsapps.com/start",
        "session,x,y,1",
    ):
        write_encrypted(tmp_path, key, credential("ASIAX", "s", "t"), "p")
    write_encrypted(tmp_path, "work", credential("AKIAX000", "ssss"), "p")
    keys = [key for key, _ in encrypted_files.keys_in(tmp_path)]
    assert [key for key in keys if items.is_profile(key)] == ["work"]


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert list(encrypted_files.keys_in(tmp_path / "none")) == []


def test_a_wrong_passphrase_differs_from_damage(tmp_path: Path) -> None:
    path = write_encrypted(tmp_path, "work", credential("AKIAX000", "ssss"), "right")
    with pytest.raises(ImportingError, match="that passphrase does not open"):
        data_in(path, "wrong")
    for text in ("", "nonsense", "a.b.c.d.e", "eyJ9.x.y.z.w", "\xff"):
        path.write_text(text, encoding="latin-1")
        with pytest.raises(ImportingError, match="leave it out"):
            data_in(path, "right")


def test_no_part_of_a_file_can_be_changed(tmp_path: Path) -> None:
    path = write_encrypted(tmp_path, "work", credential("AKIAX000", "ssss"), "p")
    text = path.read_text()
    for position in range(0, len(text), 7):
        changed = "A" if text[position] != "A" else "B"
        path.write_text(text[:position] + changed + text[position + 1 :])
        try:
            data = data_in(path, "p")
        except ImportingError:
            continue
        # base64url leaves bits unused at the end of a part; what is read is the same then.
        assert b"AKIAX000" in data


def test_a_file_cannot_make_us_derive_for_ever(tmp_path: Path) -> None:
    path = write_encrypted(tmp_path, "work", credential("AKIAX000", "ssss"), "p")
    header, _, rest = path.read_text().partition(".")
    members = json.loads(base64.urlsafe_b64decode(header + "=="))
    members["p2c"] = 10**9
    encoded = base64.urlsafe_b64encode(json.dumps(members).encode()).decode().rstrip("=")
    path.write_text(f"{encoded}.{rest}")
    with pytest.raises(ImportingError, match="too many PBKDF2 rounds"):
        data_in(path, "p")


@pytest.mark.parametrize(
    "data",
    [
        credential("ASIAX000", "ssss", "token"),
        credential("ASIAX000", "ssss"),
        credential("", "ssss"),
        credential("AKIAX000", ""),
        credential("AKIAX000", "two words"),
        "[]",
        "null",
        "5",
        "{",
        json.dumps({"AccessKeyID": 5, "SecretAccessKey": None}),
        "[" * 100_000,
    ],
)
def test_other_content_is_refused_without_being_quoted(data: str) -> None:
    with pytest.raises(ImportingError) as refused:
        items.keys_of(data, "the item")
    assert "ssss" not in str(refused.value)


def test_the_members_of_an_item_are_read_whatever_their_case() -> None:
    keys = items.keys_of('{"accessKeyId": "AKIAX000", "SECRETACCESSKEY": "ssss"}', "here")
    assert keys.access_key_id == "AKIAX000"
