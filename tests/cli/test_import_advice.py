"""What `import` says of the store that still holds the keys: never to delete what holds other things too."""

from pathlib import Path

import pytest

from shellvault.cli import taken_over
from shellvault.importing.found import Found


@pytest.mark.parametrize(
    ("program", "advice"),
    [
        ("theirs", "remove them there (`{path} remove NAME`)"),
        ("a link to ours", "remove them there"),
        (None, "remove them there"),
    ],
)
def test_the_old_program_is_named_where_it_is_not_ours(
    program: str | None,
    advice: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "aws-vault"
    real = path if program == "theirs" else tmp_path / "shellvault"
    if program:
        real.write_text("#!/bin/sh\n")
        real.chmod(0o755)
        if real != path:
            path.symlink_to(real)

    def unread(_: object) -> object:
        raise AssertionError

    found = [Found("aws-vault", name, "there", unread, store="pass, /store") for name in ("a", "b")]  # type: ignore[arg-type]
    taken_over._say_what_stays(found)
    assert capsys.readouterr().err == (
        f"shellvault: pass, /store still holds the 2 keys: once everything works, {advice.format(path=path)}\n"
    )
