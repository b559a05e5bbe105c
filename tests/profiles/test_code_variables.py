"""A config file sets no variable that makes a program run other code."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import shellvault
from shellvault.profiles.code_variables import SOURCES, runs_code
from tests.profiles.resolving import refusal, resolved

PACKAGE = Path(shellvault.__file__).parent

RUNS_CODE = """\
LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT DYLD_INSERT_LIBRARIES GCONV_PATH GLIBC_TUNABLES HOSTALIASES BASH_ENV
BASH_FUNC ENV ZDOTDIR PROMPT_COMMAND PS4 SHELL INPUTRC Path PATHEXT PSModulePath XDG_CONFIG_HOME HOME EDITOR
VISUAL SYSTEMD_EDITOR SUDO_EDITOR PAGER MANPAGER AWS_PAGER GIT_PAGER BROWSER LESSOPEN LESSCLOSE LESS
SSH_ASKPASS SUDO_ASKPASS CVS_RSH RSYNC_RSH SVN_SSH GIT_SSH_COMMAND GIT_SSH GIT_EXTERNAL_DIFF GIT_CONFIG_COUNT
GIT_CONFIG_KEY_0 GIT_CONFIG_GLOBAL GIT_EXEC_PATH GIT_PROXY_COMMAND GIT_TEMPLATE_DIR GIT_SEQUENCE_EDITOR
GIT_SSL_NO_VERIFY HGRCPATH PYTHONPATH PYTHONSTARTUP PYTHONHOME PYTHONBREAKPOINT PYTHONUSERBASE PYTHONWARNINGS
PIP_INDEX_URL UV_INDEX_URL PERL5OPT PERL5LIB PERLLIB PERL5DB RUBYOPT RUBYLIB GEM_HOME BUNDLE_GEMFILE
NODE_OPTIONS NODE_PATH NODE_TLS_REJECT_UNAUTHORIZED NPM_CONFIG_SCRIPT_SHELL JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS
CLASSPATH MAVEN_OPTS GRADLE_OPTS JAVA_HOME DOTNET_STARTUP_HOOKS COMPlus_ReadyToRun CORECLR_PROFILER
COR_PROFILER_PATH LUA_INIT LUA_PATH LUA_CPATH PHPRC PHP_INI_SCAN_DIR R_PROFILE R_PROFILE_USER R_ENVIRON R_LIBS
JULIA_LOAD_PATH ERL_FLAGS TCLLIBPATH GOFLAGS RUSTC_WRAPPER CARGO_HOME MAKEFLAGS CC OPENSSL_CONF
OPENSSL_ENGINES OPENSSL_MODULES SSLKEYLOGFILE GIO_EXTRA_MODULES GTK_MODULES QT_PLUGIN_PATH VIMINIT EXINIT
SCREENRC TAR_OPTIONS CURL_HOME WGETRC RIPGREP_CONFIG_PATH FZF_DEFAULT_COMMAND FZF_DEFAULT_OPTS GNUPGHOME
PSQLRC AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE AWS_DATA_PATH KUBECONFIG HELM_PLUGINS DOCKER_CONFIG
TF_CLI_CONFIG_FILE TF_CLI_ARGS TF_PLUGIN_CACHE_DIR TERRAGRUNT_TFPATH ANSIBLE_CONFIG ANSIBLE_LIBRARY
""".split()  # noqa: SIM905 - read as a paragraph

ALLOWED = """\
DEPLOY_TO TF_VAR_team TF_WORKSPACE TF_DATA_DIR HTTPS_PROXY https_proxy NO_PROXY AWS_CA_BUNDLE SSL_CERT_FILE
NODE_EXTRA_CA_CERTS REQUESTS_CA_BUNDLE GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL AWS_ENDPOINT_URL_S3 NODE_ENV
GOOGLE_PROJECT CDK_DEFAULT_ACCOUNT DOCKER_HOST RAILS_ENV DJANGO_SETTINGS_MODULE COLOR TEAM RELEASE ENVIRONMENT
""".split()  # noqa: SIM905 - read as a paragraph


@pytest.mark.parametrize("name", RUNS_CODE)
def test_what_runs_other_code_is_refused(name: str) -> None:
    assert f"sets {name}, which a profile may not" in refusal(f"[profile work]\nshellvault_env = {name}=x")


@pytest.mark.parametrize("name", ALLOWED)
def test_what_runs_nothing_is_set(name: str) -> None:
    assert resolved(f"[profile work]\nshellvault_env = {name}=x").variables == {name: "x"}


@pytest.mark.parametrize(
    "where", ["[default]\n{}\n[profile work]", "[profile b]\n{}\n[profile work]\ninclude_profile=b"]
)
def test_no_section_is_another_way_in(where: str) -> None:
    assert "run other code" in refusal(where.format("shellvault_env = NODE_OPTIONS=--require=/tmp/x.js"))


def test_each_group_of_the_list_has_a_source_and_a_name_here() -> None:
    for source, names in SOURCES.items():
        assert re.search(r"[a-z]{2}", source)
        pattern = re.compile(names, re.IGNORECASE)
        assert any(pattern.fullmatch(name) for name in RUNS_CODE), source


def test_what_the_loader_drops_for_setuid_programs_is_refused() -> None:
    """glibc's own list (ld.so(8), "Secure-execution mode"), as its loader has it in its text."""
    loaders = [*Path("/lib64").glob("ld-linux*.so*"), *Path("/lib").glob("ld-linux*.so*")]
    if not loaders:
        pytest.skip("needs glibc")
    unsafe = {
        b"GCONV_PATH",
        b"GETCONF_DIR",
        b"HOSTALIASES",
        b"LD_AUDIT",
        b"LOCALDOMAIN",
        b"LOCPATH",
        b"NLSPATH",
    }
    text = loaders[0].read_bytes()
    found = {name for name in unsafe if name in text}
    assert found
    assert all(runs_code(name.decode()) for name in found)


@pytest.mark.parametrize(
    ("variable", "file", "text", "command"),
    [
        ("BASH_ENV", "x.sh", "echo hit", ["bash", "-c", ":"]),
        ("PYTHONPATH", "sitecustomize.py", "print('hit')", [sys.executable, "-c", ""]),
        ("GIT_CONFIG_GLOBAL", "config", "[alias]\nx = !echo hit", ["git", "x"]),
        ("MAKEFLAGS", "x", "", ["make", "-f", "/dev/null"]),
    ],
)
def test_real_programs_do_run_other_code(
    variable: str, file: str, text: str, command: list[str], tmp_path: Path
) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    (tmp_path / file).write_text(f"{text}\n")
    value = {"PYTHONPATH": str(tmp_path), "MAKEFLAGS": "--eval=$(info hit)"}.get(
        variable, str(tmp_path / file)
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), variable: value}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert "hit" in done.stdout
    assert runs_code(variable)


def test_config_files_set_variables_through_one_door() -> None:
    """`Profile.variables` is made in one place, from `profile_variables`."""
    makes = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("profile_variables"):
                makes.add(file.relative_to(PACKAGE).as_posix())
            if isinstance(node, ast.Constant) and node.value == "shellvault_env":
                makes.add(file.relative_to(PACKAGE).as_posix())
    assert makes == {"configuration.py", "profiles/resolve.py"}
