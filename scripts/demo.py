"""The main job, shown: keys into an encrypted-file vault, sessions out of an emulated AWS, in a real bash.

Everything lives in a throw-away folder, and everything started is stopped again.

usage: python -m scripts.demo
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import emulator
from tests.support.clients import find
from tests.support.home import make_home
from tests.support.installation import install

#: What is shown and run, line by line, in one bash.
STEPS = """\
# long-term keys go into the vault, once (here from the environment; without --env they are asked for)
shellvault add work --env
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
shellvault list

# a session in the shell that is already open
eval "$(shellvault env work)"
echo "in $AWS_VAULT until $AWS_SESSION_EXPIRATION"
aws sts get-caller-identity --query Arn
eval "$(shellvault env --leave)"
echo "${AWS_VAULT:-as before}"

# a role, for one command; why says beforehand how it is reached
shellvault why deploy
shellvault exec deploy -- aws sts get-caller-identity --query Arn

# what AWS gives to no session, asked with the long-term keys themselves
shellvault exec work --no-session -- aws sts get-federation-token --name app --query FederatedUser.Arn

# and everything forgotten again
shellvault clear
shellvault remove --force work
"""


#: Shows each line before it runs it, and ends at the first that fails.
SHOW = """\
set -e
while IFS= read -r step <&3; do
    case $step in '' | '#'*) echo "$step" ;; *) echo "\\$ $step" && eval "$step" ;; esac
done 3<<<"$1"
"""


def main() -> int:
    """Sets the scene, runs the steps and returns bash's exit status."""
    aws_cli = find("aws-cli-2") or find("aws")
    if aws_cli is None:
        print("demo: no AWS CLI on this machine: pip install awscli", file=sys.stderr)
        return 1
    with (
        tempfile.TemporaryDirectory(prefix="shellvault-demo-") as folder,
        tempfile.TemporaryDirectory(prefix="shellvault-demo-") as runtime,
    ):
        home = make_home(Path(folder), Path(runtime), install(Path(folder, "installation")).programs)
        state = Path(folder, "aws")
        state.mkdir()
        with emulator.running(state) as aws:
            keys = aws.user("ada")
            role = aws.role("deploy", trusts="user/ada")
            home.write_config(
                f"[default]\nregion = {emulator.REGION}\nendpoint_url = {aws.endpoint}\n"
                f"\n[profile deploy]\nsource_profile = work\nrole_arn = {role}\n"
            )
            home.environment.update(
                AWS_ACCESS_KEY_ID=keys.access_key_id,
                AWS_SECRET_ACCESS_KEY=keys.secret_access_key,
                PATH=f"{aws_cli.parent}:{home.environment['PATH']}",
            )
            bash = ["bash", "--norc", "-c", SHOW, "demo", STEPS]
            shown = subprocess.run(bash, env=home.environment, cwd=home.path, timeout=300)
            return shown.returncode


if __name__ == "__main__":
    sys.exit(main())
