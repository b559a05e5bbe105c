"""`shellvault add`: long-term keys into the vault, and a profile for them into the config file."""

import os
import re
from pathlib import Path

import click

from shellvault.cli import broker, output, terminal
from shellvault.cli.options import backend_option
from shellvault.errors import UsageError
from shellvault.fastlane import request
from shellvault.profiles.parse import ConfigFile, load


@click.command(name="add")
@click.argument("name")
@click.option(
    "--env",
    "from_environment",
    is_flag=True,
    help="Take AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from the environment.",
)
@click.option("--no-add-config", is_flag=True, help="Leave the AWS config file alone.")
@click.option("-f", "--force", is_flag=True, help="Replace keys that are stored already, without asking.")
@backend_option
def command(name: str, from_environment: bool, no_add_config: bool, force: bool, backend: str | None) -> int:
    """Store the long-term keys of profile NAME in the vault.

    Asks for the keys on the terminal; nothing is echoed, logged or passed to another program.
    """
    check_name(name)
    environment = dict(os.environ)
    config = load(Path(request.config_path(environment, str(Path.cwd()))))
    _check_own_keys_serve(config, name)
    with broker.opened_vault(backend, environment) as vault:
        if name in vault.stored_keys() and not (force or _wants_to_replace(name, from_environment)):
            raise UsageError(
                f"{name} has stored keys already: nothing was changed (use --force to replace them)"
            )
        if from_environment:
            access_key_id, secret = _from_environment(environment)
            mfa_serial = ""
        else:
            access_key_id, secret = _asked()
            mfa_serial = "" if no_add_config or "mfa_serial" in config.section(name) else _asked_mfa_serial()
        broker.forget(name, vault)
        vault.save_keys(name, access_key_id, secret)
    output.note(f"added the keys of {name} to the vault ({vault.backend_name})")
    if not no_add_config:
        _add_to_config(config, name, mfa_serial)
    return 0


def _wants_to_replace(name: str, from_environment: bool) -> bool:
    return not from_environment and terminal.confirm(f"Replace the stored keys of {name}?")


def check_name(name: str) -> None:
    """Raises UsageError for a profile name that a config file cannot hold."""
    if (
        not name.strip()
        or name != name.strip()
        or not name.isprintable()
        or set("[]") & set(name)
        or len(name) > 256
    ):
        raise UsageError(
            f"{name!r} cannot be a profile name: use printable characters without [ and ], at most 256"
        )


def _check_own_keys_serve(config: ConfigFile, name: str) -> None:
    section = config.section(name)
    source = section.get("source_profile")
    if source and source != name:
        raise UsageError(f"{name} takes its keys from source_profile {source}: run `shellvault add {source}`")
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
    return _checked(access_key_id, secret)


def _asked() -> tuple[str, str]:
    access_key_id = terminal.ask("Enter Access Key Id: ").strip()
    return _checked(access_key_id, terminal.ask("Enter Secret Key: ", hidden=True).strip())


def _checked(access_key_id: str, secret: str) -> tuple[str, str]:
    # AWS API, AccessKey: the id is 16 to 128 word characters; emulators use shorter ones.
    if not re.fullmatch(r"[A-Za-z0-9_]{4,128}", access_key_id):
        raise UsageError("that is no access key id: it has only letters, digits and _ (AKIA…)")
    if access_key_id.startswith("ASIA"):
        raise UsageError(
            "an id that starts with ASIA belongs to temporary keys; only an IAM user's own keys can be stored"
        )
    if not re.fullmatch(r"[!-~]{4,256}", secret):
        raise UsageError("that is no secret key: it has only printable characters without spaces")
    return access_key_id, secret


def _asked_mfa_serial() -> str:
    serial = terminal.ask("Enter MFA device ARN (blank: none): ").strip()
    if serial and not re.fullmatch(r"[\w+=/:,.@-]{9,256}", serial, re.ASCII):
        raise UsageError(
            "that is no MFA device: give its ARN (arn:aws:iam::123456789012:mfa/name) or a serial number"
        )
    return serial


def _add_to_config(config: ConfigFile, name: str, mfa_serial: str) -> None:
    from shellvault.profiles.edit import append_profile, set_key

    settings = {"mfa_serial": mfa_serial} if mfa_serial else {}
    if name not in config.profile_names:
        append_profile(config.path, name, settings)
        output.note(f"added [profile {name}] to {config.path}")
    elif mfa_serial:
        set_key(config.path, name, "mfa_serial", mfa_serial)
        output.note(f"added mfa_serial to [profile {name}] in {config.path}")
