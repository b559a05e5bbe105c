"""The commands around a sign-in: signin, signout, list, why, sso, configure sso."""

import json
import os
import re
import time
from collections.abc import Iterator

import pexpect
import pytest

from shellvault.cli.commands import sso
from shellvault.cli.commands.sso import profiles_for
from shellvault.errors import UsageError
from shellvault.plan import Endpoint
from shellvault.signin.patience import Pace
from shellvault.signin.portal import LISTED_A_SECOND, Account, Portal
from tests.signin.conftest import visits
from tests.signin.terminal import run, start
from tests.support.home import Home
from tests.support.signin import START_URL, SignInEmulator
from tests.support.signin.emulator import visit
from tests.support.signin.replies import Answer, oidc_error, portal_error

pytestmark = pytest.mark.real


@pytest.fixture(params=["alone", "agent"])
def person(at_home: Home, request: pytest.FixtureRequest) -> Iterator[Home]:
    if request.param == "agent":
        del at_home.environment["SHELLVAULT_NO_AGENT"]
    yield at_home


def chooser(home: Home) -> None:
    """Puts a picker on PATH that takes what PICKED names: the real ones have tests of their own."""
    folder = home.path / "pickers"
    folder.mkdir()
    (folder / "fzf").write_text('#!/bin/sh\ngrep -m1 -e "$PICKED"\n')
    (folder / "fzf").chmod(0o700)
    home.environment["PATH"] = f"{folder}:{home.environment['PATH']}"


def test_a_day_of_signing_in_and_out(person: Home, services: SignInEmulator) -> None:
    assert "not signed in: a browser" in person.succeed("why", "admin")
    shown = run(person, "signin", "admin")
    assert re.search(r"signed in to corp: 59m left, renewed without you", shown), shown
    assert re.search(r"signed in to corp: 59m left", run(person, "signin", "corp"))
    assert len(visits(person)) == 1

    person.succeed("exec", "reader", "--", "true")
    assert "signed in for 59m more; renewed then without you" in person.succeed("why", "reader")
    rows = {row["name"]: row for row in json.loads(person.succeed("list", "--json"))}
    assert {its["call"] for its in rows["admin"]["sessions"]} >= {"sso-sign-in"}
    assert rows["me"]["sessions"] == []

    token = next(iter(services.oidc.tokens))
    done = person.shellvault("signout", "admin")
    assert (done.returncode, "signed out of corp" in done.stderr) == (0, True), done.stderr
    if "SHELLVAULT_NO_AGENT" not in person.environment:
        assert re.search(r"can use the session of reader for another 59m", done.stderr)
    assert not services.oidc.is_alive(token)
    assert "not signed in: a browser" in person.succeed("why", "admin")
    for profile in ("admin", "reader"):
        assert "sign-in to corp is needed" in person.fail("exec", profile, "--", "true")


def test_the_wrapper_gives_programs_the_session_of_a_sign_in(person: Home) -> None:
    run(person, "signin", "me")
    program = person.path / "programs" / "aws"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho $AWS_PROFILE:$AWS_ACCESS_KEY_ID:$*\n")
    program.chmod(0o700)
    person.environment["PATH"] = f"{program.parent}:{person.environment['PATH']}"
    given = person.succeed("wrap", "aws", "s3", "ls", "--profile", "me")
    assert re.fullmatch(r"me:ASIA\w+:s3 ls\n", given)


def test_signing_in_by_a_code_shows_link_and_code(person: Home, services: SignInEmulator) -> None:
    child = start(person, "signin", "legacy", "--device-code")
    child.expect(r"shows the code ([A-Z]{4}-[A-Z]{4}):\s+(http\S+)")
    assert child.match
    visit(str(child.match.group(2)))
    child.expect("signed in to https://")
    assert visits(person) == []


def test_a_code_that_is_pasted_is_asked_for_once(person: Home, services: SignInEmulator) -> None:
    child = start(person, "signin", "me", "--remote")
    child.expect("Sign in to arn:aws:iam::000000000000:user/ada: open this link in any browser, and copy")
    child.expect(r"\n  http\S+\s+Code from the page: $")
    assert ": :" not in str(child.before) + str(child.after)
    child.sendcontrol("c")
    child.expect(pexpect.EOF)


def test_a_sign_in_says_what_other_programs_need(at_home: Home, services: SignInEmulator) -> None:
    needed = "an IDE, Terraform or boto3 alone needs `shellvault install-process"
    assert f"{needed} admin`, or `shellvault signin --export-token`" in run(at_home, "signin", "admin")
    assert f"{needed} PROFILE`" in run(at_home, "signin", "corp")
    assert needed not in run(at_home, "signin", "admin", "--fresh", "--export-token")


def test_a_pipe_gets_a_line_before_and_after(
    services: SignInEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    with sso._progress(9) as done:
        done(account(1, "a"))
    assert capsys.readouterr().err == ""
    with sso._progress(10) as done:
        done(account(1, "a"))
    assert capsys.readouterr().err.splitlines() == [
        "shellvault: asking for the roles in 10 accounts",
        "shellvault: asked for the roles in 10 accounts",
    ]


def test_signing_in_again_is_asked_for(person: Home, services: SignInEmulator) -> None:
    run(person, "signin", "admin")
    run(person, "signin", "admin", "--fresh")
    assert len(visits(person)) == 2


def test_everything_is_signed_in_to_and_out_of(person: Home, services: SignInEmulator) -> None:
    shown = run(person, "signin", "--all")
    assert [subject in shown for subject in ("to corp", f"to {START_URL}", "/ada")] == [True] * 3
    person.succeed("signout", "--all")
    assert not any(services.oidc.is_alive(token) for token in services.oidc.tokens)
    for name in ("admin", "legacy", "me"):
        assert "not signed in: a browser" in person.succeed("why", name)


def test_a_new_login_makes_its_profile(person: Home, services: SignInEmulator) -> None:
    services.principal = "arn:aws:iam::000000000000:user/new"
    run(person, "signin", "--new", "fresh", "--region", "eu-west-3")
    assert (
        f"[profile fresh]\nlogin_session = {services.principal}\nregion = eu-west-3\n"
        in person.config_file.read_text()
    )
    assert person.succeed("exec", "fresh", "--", "printenv", "AWS_REGION") == "eu-west-3\n"
    assert len(visits(person)) == 1


def answer(child: "pexpect.spawn[str]", *dialogue: tuple[str, str]) -> None:
    """Answers each question; one that is not asked fails."""
    for question, given in dialogue:
        child.expect(question)
        child.sendline(given)


def test_from_nothing_to_a_session_in_one_command(person: Home, services: SignInEmulator) -> None:
    person.config_file.unlink()
    chooser(person)
    person.environment["PICKED"] = "Reader\\|Main"
    child = start(person, "configure", "sso")
    answer(
        child,
        ("Start URL of the portal: ", " D-1234567890.awsapps.com/start/#/?tab=accounts "),
        ("Region of IAM Identity Center: ", "Frankfurt"),
        ("no region.*Region of IAM Identity Center: ", "EU-west-1 "),
        (r"Name for this sso-session \[d-1234567890\]: ", "corp"),
        (r"Region of the profile \(blank: none\): ", "eu-central-1"),
        (r"Name of the profile \[Main-Reader\]: ", ""),
    )
    child.expect("profile Main-Reader is written")
    child.expect(pexpect.EOF)
    written = person.config_file.read_text()
    assert f"[sso-session corp]\nsso_start_url = {START_URL}\nsso_region = eu-west-1\n" in written
    assert person.succeed("exec", "Main-Reader", "--", "printenv", "AWS_REGION") == "eu-central-1\n"
    assert len(visits(person)) == 1


def test_nothing_is_written_before_the_sign_in_has_worked(at_home: Home, services: SignInEmulator) -> None:
    before = at_home.config_file.read_bytes()
    chooser(at_home)
    at_home.environment["PICKED"] = "Reader\\|Main"
    services.fail("POST /client/register", oidc_error("InvalidRequestException", "no such portal"))
    child = start(at_home, "configure", "sso")
    answer(
        child,
        (r"or a known sso-session \(corp\) \[corp\]: ", "http://other.awsapps.com/start"),
        (r"begins with https://, not http://.*\[corp\]: ", "https://other.awsapps.com/start"),
        ("Region of IAM Identity Center: ", "us-east-1"),
        (r"Name for this sso-session \[other\]: ", "corp"),
        (r"corp exists already: give another name.*Name for this sso-session \[other\]: ", ""),
    )
    child.expect("AWS refused the sign-in to other: invalid_request: no such portal")
    child.expect(r"\[https://other.awsapps.com/start\]: ")
    assert at_home.config_file.read_bytes() == before
    # What was wrong can be corrected at once; a known session is a suggestion.
    child.sendline(START_URL)
    answer(child, (r"Region of the profile", ""), (r"Name of the profile \[Main-Reader\]: ", "admin"))
    answer(child, (r"admin exists already: give another name.*Name of the profile", "third"))
    child.expect("profile third is written")
    child.expect(pexpect.EOF)
    assert at_home.config_file.read_text().count("[sso-session") == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--start-url", "http://x.awsapps.com"), "--start-url: a start URL begins with https://"),
        (("--start-url", "portal"), "--start-url: that is no start URL"),
        (("--start-url", "x.awsapps.com", "--sso-region", "home"), "--sso-region: that is no region"),
        (("--session", "corp", "--start-url", "x.awsapps.com"), "--start-url: sso-session corp has another"),
        ((), "there is no terminal to ask on: give --start-url"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_written(
    at_home: Home, options: tuple[str, ...], problem: str
) -> None:
    before = at_home.config_file.read_bytes()
    done = at_home.shellvault("configure", "sso", *options)
    assert (done.returncode, problem in done.stderr) == (2 if options else 1, True), done.stderr
    assert at_home.config_file.read_bytes() == before


def test_accounts_roles_and_a_profile_for_each(person: Home, services: SignInEmulator) -> None:
    run(person, "signin", "corp")
    assert [row["name"] for row in json.loads(person.succeed("sso", "accounts", "--json"))] == [
        "Main",
        "Sandbox",
    ]
    assert "Reader" in person.succeed("sso", "roles", "Main")
    assert person.succeed("sso", "populate", "--dry-run") == person.succeed("sso", "populate")
    assert person.succeed("exec", "Main-Reader", "--", "printenv", "AWS_VAULT") == "Main-Reader\n"
    assert person.succeed("sso", "populate", "--prune") == ""
    services.accounts.pop("111111111111")
    assert person.succeed("sso", "populate", "--prune") == "- Sandbox-Admin\n"


def test_a_refused_account_stops_no_other_and_prunes_nothing(at_home: Home, services: SignInEmulator) -> None:
    run(at_home, "signin", "corp")
    at_home.succeed("sso", "populate")
    services.forbidden = {"111111111111"}
    services.accounts["222222222222"] = ("New", ("Admin",))
    done = at_home.shellvault("sso", "populate", "--prune")
    assert (done.returncode, done.stdout) == (1, "+ New-Admin\n")
    assert "the roles of 111111111111 (Sandbox) are left out: AWS refused" in done.stderr
    done = at_home.shellvault("sso", "roles")
    assert (done.returncode, "Sandbox" in done.stdout, "Main" in done.stdout) == (1, False, True)


def test_a_fresh_sign_in_begins_a_new_session_at_the_portal(at_home: Home, services: SignInEmulator) -> None:
    run(at_home, "signin", "corp")
    first, end = next(iter(services.oidc.tokens)), services.oidc.portal_session_ends_at
    run(at_home, "signin", "corp")
    assert services.oidc.portal_session_ends_at == end
    shown = run(at_home, "signin", "corp", "--fresh")
    assert services.oidc.portal_session_ends_at > end
    assert not services.oidc.is_alive(first)
    services.fail("POST /logout", Answer(500), Answer(500))
    shown = run(at_home, "signin", "corp", "--fresh")
    assert "the portal's session could not be ended" in shown
    services.consenting = "deny"
    shown = run(at_home, "signin", "corp", "--fresh", status=1)
    assert "the previous sign-in has been ended" in shown
    assert "not signed in: a browser" in at_home.succeed("why", "admin")


def test_the_picker_offers_what_signs_in(at_home: Home) -> None:
    chooser(at_home)
    assert "signed in to https://" in run(at_home, "signin", PICKED="legacy")


# Without a terminal.


def account(number: int, name: str) -> Account:
    return Account(f"{number:012}", name, "")


def test_names_are_plain_and_stable() -> None:
    hostile = account(1, "$(touch /tmp/x) `id`]\n[profile evil\"; 'x")
    found = [
        (hostile, ["Admin"]),
        (account(2, "same"), ["R"]),
        (account(3, "same"), ["R"]),
        (account(4, ""), ["R"]),
    ]
    names = list(profiles_for(found, "{account_name}-{role_name}", "corp", {}))
    assert names == [
        "000000000004-R",
        "same-R-000000000002-R",
        "same-R-000000000003-R",
        "touch-/tmp/x-id-profile-evil-x-Admin",
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9._@+=,/:-]+", name) for name in names)


@pytest.mark.parametrize(
    "template", ["same", "{nope}", "{account_id!r}", "{account_id.__class__}", "{", "{0}"]
)
def test_a_template_that_is_none_is_refused(template: str) -> None:
    with pytest.raises(UsageError, match="--template"):
        profiles_for([(account(1, "a"), ["R"])], template, "corp", {})


#: Accounts of a large organisation; SHELLVAULT_ACCOUNTS=1000 once in a while.
ACCOUNTS = int(os.environ.get("SHELLVAULT_ACCOUNTS", "150"))


@pytest.mark.timeout(120)
def test_a_thousand_accounts_a_minute_are_listed_as_aws_allows(
    services: SignInEmulator,
) -> None:
    roles = ("Admin", "Audit", "Reader")
    services.accounts = {f"{number:012}": (f"account {number}", roles) for number in range(ACCOUNTS)}
    services.delay = {"GET /assignment/roles": 0.02, "GET /assignment/accounts": 0.02}
    busy = portal_error("TooManyRequestsException", "slow")
    services.fail("GET /assignment/roles", None, busy, busy)
    token = services.issue_token()
    where = Endpoint("eu-west-1", services.url)
    portal = Portal(token, where, "corp", lambda rejected: token, print, pace=Pace(LISTED_A_SECOND))
    begun = time.monotonic()
    found = portal.roles_of_all(portal.accounts(), lambda account: None)
    taken = time.monotonic() - begun
    assert (ACCOUNTS + 2) / LISTED_A_SECOND - 1 < taken < ACCOUNTS * 60 / 1000 + 2
    assert sum(len(names) for _, names in found.roles) == 3 * ACCOUNTS
    assert services.calls["GET /assignment/accounts"] == -(-ACCOUNTS // 100)
    assert services.calls["GET /assignment/roles"] == ACCOUNTS + 2
