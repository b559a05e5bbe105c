"""A shell is a record, a folder of templates and its start in the tests: a stand-in of that kind works everywhere."""

import os
from pathlib import Path

import pytest

from shellvault import shells
from shellvault.cli.commands.env import command as env_command
from shellvault.shells import detect, lines, render
from shellvault.shells.model import Shell
from tests.shells.running import session

#: The record of a shell that is not one of ours; its quoting is not that of the real one.
NU = Shell(
    name="nu",
    executables=("nu", "nushell"),
    quote=lambda value: f"r#'{value}'#",
    evaluated="{} | from nuon | load-env",
    exported="$env.{name} = {value}",
    unset="hide-env {name}",
)


def test_a_new_shell_is_a_record_and_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "nu"
    folder.mkdir()
    (folder / "env.jinja").write_text(
        "{% for name, value in assignments.items() if value %}{{ name }}={{ value | quote }};{% endfor %}"
    )
    monkeypatch.setitem(shells.RECORDS, "nu", NU)
    monkeypatch.setattr(render, "template_folder", lambda name: tmp_path)
    monkeypatch.setitem(detect._NAMES, "nushell", "nu")
    assert detect.detect(2**30, {"SHELL": "/opt/nushell"}) == "nu"
    assert "AWS_VAULT=r#'work'#;" in render.env_snippet("nu", session("work"))
    assert lines.evaluated("nu", "env", "work") == "shellvault env work | from nuon | load-env"


def test_every_record_has_its_folder_and_no_folder_is_left() -> None:
    assert set(os.listdir(render.template_folder("shells"))) == set(shells.SHELLS)


def test_every_record_has_a_module_of_its_name() -> None:
    for name in shells.SHELLS:
        assert getattr(shells, name).SHELL is shells.RECORDS[name]


def test_env_takes_every_shell() -> None:
    choice = next(parameter for parameter in env_command.params if parameter.name == "shell")
    assert tuple(choice.type.choices) == shells.SHELLS  # type: ignore[attr-defined]
