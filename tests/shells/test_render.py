"""Rendering: where templates come from, and what may get into them."""

import shutil
from pathlib import Path

import jinja2
import pytest

from shellvault.shells import SHELLS, render
from shellvault.variables import Change


def test_a_checkout_has_its_templates_next_to_the_package() -> None:
    folder = render.template_folder("shells")
    assert {path.name for path in folder.iterdir()} >= set(SHELLS)


def test_an_installed_package_has_its_templates_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "shellvault"
    installed = package / "templates" / "shells"
    shutil.copytree(render.template_folder("shells"), installed)
    monkeypatch.setattr(render, "__file__", str(package / "shells" / "render.py"))
    assert render.template_folder("shells") == installed


def test_a_value_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render.snippet("bash", "refresh")


@pytest.mark.parametrize("shell", SHELLS)
def test_only_variables_of_a_session_can_be_changed(shell: str) -> None:
    with pytest.raises(ValueError, match="x; rm"):
        render.env_snippet(shell, Change({"x; rm": "1"}))
