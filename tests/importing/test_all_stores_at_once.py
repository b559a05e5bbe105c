"""gnome-keyring, KWallet, pass, the kernel and files at once: every run of `import` finds the same keys."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.importing.stores import FIXTURES, credential, write_encrypted
from tests.real_keyring import need_programs, private_keyring, running, wait_for_owner
from tests.real_password_store import password_store
from tests.real_wallet import PrivateWallet
from tests.support.home import Home

pytestmark = pytest.mark.real

ROUNDS = int(os.environ.get("SHELLVAULT_IMPORT_ROUNDS", "3"))

ITEM = (FIXTURES / "item.json").read_bytes()
SCRIPT = Path(__file__).parents[1] / "support" / "import_rounds.py"
NAMESPACE = ["unshare", "--user", "--map-root-user"]


def test_every_run_finds_every_key(home: Home, tmp_path: Path) -> None:
    need_programs("unshare", "kwalletd5")
    if subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    folder = tmp_path / "bus"
    folder.mkdir()
    with (
        private_keyring(folder) as keyring,
        running(["kwalletd5"], keyring.environment | {"QT_QPA_PLATFORM": "offscreen"}) as daemon,
        password_store(home.environment, tmp_path) as environment,
    ):
        address = keyring.environment["DBUS_SESSION_BUS_ADDRESS"]
        wait_for_owner(keyring.environment, "org.kde.kwalletd5")
        wallet = PrivateWallet(keyring.environment, daemon)
        wallet.open("aws-vault")
        wallet.write("aws-vault", "aws-vault", {"wallet": ITEM})
        put_into_collection(keyring.environment, keyring.make_collection)
        subprocess.run(
            ["pass", "insert", "-m", "-f", "pass/one"], input=ITEM, check=True, env=environment, stdout=-3
        )
        home.write_config("[profile pass/one]\nregion = eu-west-3\n[profile plain]\n" + plain())
        write_encrypted(home.path / ".awsvault" / "keys", "file", credential("AKIAX000", "ssss"), "x")
        command = [shutil.which("shellvault", path=environment["PATH"]), "import", "--dry-run"]
        done = subprocess.run(
            [*NAMESPACE, sys.executable, SCRIPT, str(ROUNDS), FIXTURES / "data.json", *command],
            env=environment | {"DBUS_SESSION_BUS_ADDRESS": address},
            capture_output=True,
            text=True,
            timeout=60 + 20 * ROUNDS,
        )
    assert done.returncode == 0, done.stderr
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(runs) == ROUNDS
    for status, shown, said in runs:
        assert (status, said) == (0, "")
        names = {line.split()[0] for line in shown.splitlines()[1:]}
        assert names == {"collection", "wallet", "pass/one", "kernel", "file", "plain"}


def plain() -> str:
    return "aws_access_key_id = AKIAX001\naws_secret_access_key = ssss\n"


def put_into_collection(environment: dict[str, str], make: object) -> None:
    import secretstorage
    from jeepney.io.blocking import open_dbus_connection

    assert callable(make)
    make("awsvault")
    with open_dbus_connection(environment["DBUS_SESSION_BUS_ADDRESS"]) as connection:
        (theirs,) = (
            each for each in secretstorage.get_all_collections(connection) if each.get_label() == "awsvault"
        )
        theirs.create_item("collection", {"profile": "collection"}, ITEM)
