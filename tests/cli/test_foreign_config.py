"""A config file elsewhere that runs programs says so, once for each file and content."""

import json
import time
from pathlib import Path

from tests.support.home import Home

KEYS = {"Version": 1, "AccessKeyId": "ASIA1234", "SecretAccessKey": "secret", "SessionToken": "token"}


def test_programs_of_a_config_file_elsewhere_are_named_once(home: Home) -> None:
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    (home.path / "keys.json").write_text(json.dumps(KEYS | {"Expiration": until}))
    text = f"[profile project]\nregion = eu-central-1\ncredential_process = cat {home.path}/keys.json\n"
    elsewhere = Path(home.path, "project", "aws-config")
    elsewhere.parent.mkdir()

    def said(*arguments: str) -> bool:
        found = home.run("shellvault", *arguments, AWS_CONFIG_FILE=str(elsewhere))
        assert found.returncode == 0, found.stderr
        return "is not your own config file; it runs: cat " in found.stderr

    elsewhere.write_text(text)
    assert said("exec", "project", "--", "true")
    assert not said("exec", "project", "--", "true")
    assert not said("env", "project", "--shell", "bash")
    elsewhere.write_text(text + "output = json\n")
    assert said("env", "project", "--shell", "bash")
    elsewhere.write_text(text.replace("credential_process", "# credential_process"))
    assert home.run("shellvault", "why", "project", AWS_CONFIG_FILE=str(elsewhere)).returncode == 1
    elsewhere.write_text(text + "shellvault_env = DEPLOY_TO=staging\n")
    found = home.run("shellvault", "exec", "project", "--", "true", AWS_CONFIG_FILE=str(elsewhere))
    assert "json; it sets: DEPLOY_TO" in found.stderr
    home.write_config(text)
    own = home.run("shellvault", "exec", "project", "--", "true")
    assert (own.returncode, own.stderr) == (0, "")


def test_plain_http_takes_an_option_or_a_setting(home: Home) -> None:
    home.write_config(
        "[profile web]\nregion = eu-central-1\nendpoint_url = http://aws.example\n"
        "role_arn = arn:aws:iam::123456789012:role/web\nweb_identity_token_file = token\n"
    )
    assert "--insecure-endpoint" in home.fail("why", "web")
    assert "asks http://aws.example" in home.succeed("why", "web", "--insecure-endpoint")
    settings = Path(home.environment["XDG_CONFIG_HOME"], "shellvault", "config.toml")
    settings.parent.mkdir(parents=True)
    settings.write_text("insecure_endpoint = true\n")
    assert "asks http://aws.example" in home.succeed("why", "web")
