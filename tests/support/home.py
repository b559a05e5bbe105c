"""A throw-away home with a clean environment, and the `shellvault` command run in it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from shellvault import locations
from shellvault.fastlane.failing import is_evaluated
from shellvault.vault import open_vault, sealed
from shellvault.vault.backends import file_path
from tests.support.emulator import Keys

PASSPHRASE = "correct horse battery staple"

#: Argon2id as cheap as it gets, for tests that are about everything else.
CHEAP = sealed.Cost(memory_kib=32, iterations=1, lanes=4)

#: What a child needs of the test runner's environment; everything else starts empty.
_KEPT = ("LANG", "LC_ALL", "TZ")


@dataclass(frozen=True)
class Home:
    """A person's home: its folder, and the environment that programs started there get; tests change it."""

    path: Path
    environment: dict[str, str]

    @property
    def config_file(self) -> Path:
        """The AWS config file of this home."""
        return self.path / ".aws" / "config"

    def write_config(self, text: str) -> None:
        """Makes `text` the AWS config file."""
        self.config_file.parent.mkdir(mode=0o700, exist_ok=True)
        self.config_file.write_text(text, encoding="utf-8")

    def write_settings(self, text: str) -> None:
        """Makes `text` the file of shellvault's own settings."""
        file = locations.config_file(self.environment)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def set_rules(self, **rules: str) -> None:
        """Makes these the general rules for callers, and the only settings; `coding_agent` stands for coding-agent."""
        lines = "".join(f'{kind.replace("_", "-")} = "{rule}"\n' for kind, rule in rules.items())
        self.write_settings(f"[callers]\n{lines}")

    def store(self, name: str, keys: Keys) -> None:
        """Puts keys into the vault that the environment names, as `shellvault add` does, without starting it.

        An encrypted file that is made here costs next to nothing to open: 0.2 s less for every command that does.
        """
        vault = open_vault(None, self.environment, _nobody)
        file = file_path(self.environment)
        if vault.backend_name == "file" and not file.exists():
            locations.private_directory(file.parent)
            file.write_bytes(sealed.seal(b"{}", sealed.new_key(PASSPHRASE, CHEAP)))
            file.chmod(0o600)
        vault.save_keys(name, keys.access_key_id, keys.secret_access_key)

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Starts any program in this home, with nothing to read; its output is piped, as text."""
        return subprocess.Popen(
            command,
            env=self.environment | environment,
            cwd=self.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, *command: str, input: str = "", timeout: float = 60, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs any program in this home, away from every terminal, for at most `timeout` seconds."""
        return subprocess.run(
            command,
            env=self.environment | environment,
            cwd=self.path,
            input=input,
            capture_output=True,
            text=True,
            timeout=timeout,
            start_new_session=True,
        )

    def shellvault(self, *arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:
        """Runs the installed `shellvault` command, whatever its exit status."""
        return self.run("shellvault", *arguments, input=input)

    def succeed(self, *arguments: str) -> str:
        """Runs `shellvault`, which must exit 0 and write no traceback; its stdout."""
        result = self.shellvault(*arguments)
        assert result.returncode == 0, f"shellvault {' '.join(arguments)}: {result.stderr}"
        assert "Traceback" not in result.stderr
        return result.stdout

    def fail(self, *arguments: str, status: int = 1) -> str:
        """Runs `shellvault`, which must end with `status` and say why in one line on stderr; that line."""
        result = self.shellvault(*arguments)
        assert result.returncode == status, f"exit {result.returncode}: {result.stdout} {result.stderr}"
        # What a shell may evaluate fails there, too.
        assert result.stdout == ("false\n" if is_evaluated(list(arguments)) else "")
        assert result.stderr.startswith("shellvault: error: "), result.stderr
        assert result.stderr.count("\n") == 1, result.stderr
        return result.stderr


def _nobody(new: bool, problem: str | None, path: Path) -> str:
    raise AssertionError("the passphrase is in the environment")


def stop_agents(runtime: Path) -> None:
    """Ends every agent whose socket lies below `runtime`, whatever state it is in; its worker follows it."""
    for process in psutil.process_iter(["cmdline"]):
        if any(word.startswith(str(runtime)) for word in process.info["cmdline"] or ()):
            process.kill()


def make_home(folder: Path, runtime: Path, programs: Path) -> Home:
    """A new home in `folder`; its vault is an encrypted file that opens without asking, and no agent is used.

    `programs` is the folder with the `shellvault` that runs there (`Installation.programs`), `runtime` an empty
    folder whose path is as short as systemd's, since sockets lie in it.
    """
    path = folder / "home"
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {
        "HOME": str(path),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SHELLVAULT_BACKEND": "file",
        "SHELLVAULT_FILE_PASSPHRASE": PASSPHRASE,
        "SHELLVAULT_NO_AGENT": "1",
        "TERM": "xterm",
        "USER": "tester",
        "XDG_CACHE_HOME": str(path / ".cache"),
        "XDG_CONFIG_HOME": str(path / ".config"),
        "XDG_DATA_HOME": str(path / ".local" / "share"),
        "XDG_RUNTIME_DIR": str(runtime),
        "XDG_STATE_HOME": str(path / ".local" / "state"),
    }
    path.mkdir(mode=0o700)
    return Home(path, environment)
