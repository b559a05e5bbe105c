"""`shellvault add`: long-term keys into the vault, and a profile for them into the config file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

import click

from shellvault import here, waiting
from shellvault.cli import first_steps, host, key_check, provider
from shellvault.cli.options import backend_option
from shellvault.dialogue import output, progress, prompters, questions
from shellvault.errors import ConfigError, SessionError, UsageError
from shellvault.fastlane import request
from shellvault.profiles import edit
from shellvault.profiles.grammar import word
from shellvault.profiles.parse import ConfigFile, load
from shellvault.sessions.refusals import RefusedError
from shellvault.vault import StoredKeys, backends

#: Pairs of keys that AWS is asked about before the command gives up.
_TRIES = 3


@click.command(name="add")
@click.argument("name")
@click.option(
    "--env",
    "from_environment",
    is_flag=True,
    help="Take AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from the environment.",
)
@click.option("--no-add-config", is_flag=True, help="Leave the AWS config file alone.")
@click.option("--no-check", is_flag=True, help="Do not prove the keys by a call to AWS.")
@click.option("-f", "--force", is_flag=True, help="Replace keys that are stored already, without a question.")
@backend_option
def command(
    name: str, from_environment: bool, no_add_config: bool, no_check: bool, force: bool, backend: str | None
) -> int:
    """Store the long-term keys of profile NAME in the vault.

    Asks for the keys on the terminal; nothing is echoed, logged or passed to another program. They are stored once AWS
    has said whose they are.
    """
    check_name(name)
    environment = dict(os.environ)
    config = load(here.config_file(environment))
    _check_own_keys_serve(config, name)
    lacking = [] if no_add_config or from_environment else _lacking(config, name, environment)
    if not no_add_config and (lacking or name not in config.profile_names):
        _check_editable(config, name)
    _tell_why_file(backend, environment)
    asked = prompters.Once(prompters.choose(None, environment))
    operate = provider.vault_operations(backend, environment, asked)
    is_stored = name in operate({"do": "list"})["keys"]
    if is_stored and not (force or (not from_environment and asked.confirm("replace", name))):
        raise UsageError(f"{name} has stored keys already: nothing was changed (use --force to replace them)")
    host.protect_process(environment)
    if from_environment:
        keys, settings = StoredKeys(*_from_environment(environment)), {}
    else:
        keys, settings = StoredKeys(*questions.ask_keys()), _asked_settings(lacking)
    owner = ""
    if not no_check:
        proof = _Proof(environment, config, name, settings.get("region"))
        owner, keys = _proved(proof, keys, asks=not from_environment)
    saved = operate({"do": "save", "name": name} | asdict(keys))
    whose = f" ({owner})" if owner else ""
    output.note(f"added the keys of {name}{whose} to the vault ({saved['backend']})")
    if not no_add_config:
        _add_to_config(config, name, settings)
    first_steps.name_next(name)
    return 0


class _Proof(NamedTuple):
    """What AWS is asked with, besides the keys."""

    environment: Mapping[str, str]
    config: ConfigFile
    name: str
    region: str | None

    def owner(self, keys: StoredKeys) -> str:
        """See `key_check.owner`."""
        with progress.waiting("AWS STS"), waiting.heard_by(progress.waits_for):
            return key_check.owner(self.environment, self.config, self.name, keys, self.region)


def _proved(proof: _Proof, keys: StoredKeys, *, asks: bool) -> tuple[str, StoredKeys]:
    """The owner of the keys, and the keys: those given, or if AWS refuses them a person's next ones."""
    for tries_left in range(_TRIES - 1, -1, -1):
        try:
            return proof.owner(keys), keys
        except SessionError as error:
            if not (asks and tries_left and isinstance(error, RefusedError)):
                raise SessionError(
                    f"{error}; nothing was stored (--no-check stores keys unproved)"
                ) from error
            output.note(f"{error}; nothing is stored yet: give them again")
            keys = StoredKeys(*questions.ask_keys())
    raise AssertionError("the last try returns or raises")


def _tell_why_file(backend: str | None, environment: Mapping[str, str]) -> None:
    """Says once, before the first passphrase, why keys go into an encrypted file by default."""
    choice = backends.choose(backend, environment)
    path = backends.file_path(environment)
    if choice.backend == "file" and choice.source is None and not path.exists():
        output.note(
            f"no keyring can be used here (`shellvault list --backends` says why), so keys go into {str(path)!r}, "
            "which a passphrase of yours encrypts"
        )


def check_name(name: str) -> None:
    """Raises UsageError for a profile name that a config file cannot hold, or with a blank at either end."""
    if name != name.strip():
        raise UsageError(f"{name!r} begins or ends with a blank: give the name without")
    try:
        edit.check_name(name)
    except ConfigError as error:
        raise UsageError(str(error)) from error


def _check_own_keys_serve(config: ConfigFile, name: str) -> None:
    section = config.section(name)
    source = section.get("source_profile")
    if source and source != name:
        raise UsageError(
            f"{name} takes its keys from source_profile {source}: run `shellvault add {word(str(source))}`"
        )
    for key in ("sso_session", "sso_start_url", "credential_process", "web_identity_token_file"):
        if key in section:
            output.note(f"{name} also has {key} in the config file; the stored keys will be used instead")


def _from_environment(environment: dict[str, str]) -> tuple[str, str]:
    access_key_id = environment.get("AWS_ACCESS_KEY_ID", "")
    secret = environment.get("AWS_SECRET_ACCESS_KEY", "")
    if not access_key_id or not secret:
        raise UsageError("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or leave --env out to be asked")
    if environment.get("AWS_SESSION_TOKEN"):
        raise UsageError(
            "AWS_SESSION_TOKEN is set: these are temporary keys, only an IAM user's own keys can be stored"
        )
    for problem in (questions.key_id_problem(access_key_id), questions.secret_problem(secret)):
        if problem:
            raise UsageError(problem)
    return access_key_id, secret


def _check_editable(config: ConfigFile, name: str) -> None:
    """Raises ConfigError before the keys are asked for and stored, where the profile could not be added afterwards."""
    try:
        edit.check_editable(config.path, name)
    except ConfigError as error:
        raise ConfigError(
            f"{error} (nothing is stored yet; --no-add-config stores the keys alone)"
        ) from error


def _lacking(config: ConfigFile, name: str, environment: dict[str, str]) -> list[str]:
    """The settings that the profile lacks and a person knows."""
    has = {
        "mfa_serial": "mfa_serial" in config.section(name),
        "region": _has_region(config, name, environment),
    }
    return [key for key, is_there in has.items() if not is_there]


def _asked_settings(lacking: Sequence[str]) -> dict[str, str]:
    ask = {"mfa_serial": questions.ask_mfa_serial, "region": questions.ask_region}
    asked = {key: ask[key]() for key in lacking}
    return {key: value for key, value in asked.items() if value}


def _has_region(config: ConfigFile, name: str, environment: dict[str, str]) -> bool:
    from shellvault.profiles.resolve import Overrides, resolve

    try:
        return resolve(config, name, Overrides(None, None, request.overrides(environment))).region is not None
    except ConfigError:
        # `env` will say what is wrong with the profile; it has nothing to do with these keys.
        return True


def _add_to_config(config: ConfigFile, name: str, settings: dict[str, str]) -> None:
    from shellvault.profiles.edit import append_profile, set_key

    if name not in config.profile_names:
        append_profile(config.path, name, settings)
        output.note(f"added [profile {name}] to {config.path}")
        return
    for key, value in settings.items():
        set_key(config.path, name, key, value)
        output.note(f"added {key} to [profile {name}] in {config.path}")
