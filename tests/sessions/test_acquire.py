"""How a plan is walked, with a stand-in for AWS: what is called, what is taken from a cache, what is kept."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shellvault.errors import NeedsPersonError, SessionError
from shellvault.plan import Options, Plan, Step, build
from shellvault.profiles.model import Durations, Profile
from shellvault.sessions import calls
from shellvault.sessions.acquire import acquire
from shellvault.sessions.cache import DirectCache
from shellvault.sessions.model import Session
from shellvault.sessions.refusals import RefusedError
from shellvault.vault.records import StoredKeys
from tests.sessions.parts import Clock, MemoryVault, Person, context, person

KEYS = StoredKeys("AKIAWORK", "long-term-secret")
MFA = "arn:aws:iam::111111111111:mfa/work"
work = Profile("work", True, mfa_serial=MFA)
home = Profile("home", True, work, role_arn="arn:aws:iam::222222222222:role/Home", mfa_serial=MFA)
plain = Profile(
    "plain", True, replace(work, mfa_serial=None), role_arn="arn:aws:iam::222222222222:role/Plain"
)


class Aws:
    """A stand-in for STS: a new session for each call, until it is told to refuse one."""

    def __init__(self) -> None:
        self.called: list[tuple[str, str | None]] = []
        """Each call, and the access key id that signed it."""
        self.no_longer_takes: set[str] = set()
        self.lifetime = 3600

    def __call__(
        self,
        step: Step,
        source: Session | None,
        now: float,
        code: str | None = None,
        token: str | None = None,
    ) -> Session:
        signer = source.access_key_id if source else None
        self.called.append((step.call, signer))
        if signer in self.no_longer_takes:
            raise RefusedError("AWS does not know the credentials", "rejected-credentials")
        number = len(self.called)
        return Session(
            f"ASIA{number}", f"secret{number}", f"token{number}", int(now), int(now) + self.lifetime
        )


class Scene:
    """One vault, one person and one clock, for as many commands as a test runs."""

    def __init__(self, folder: Path, aws: Aws) -> None:
        self.folder, self.aws = folder, aws
        self.vault = MemoryVault({"work": KEYS})
        self.clock = Clock()
        self.person: Person = person("000001", "000002", "000003")

    def command(self, profile: Profile, **others: Any) -> Session:
        """A new process's acquisition: only the vault is left of the one before."""
        cache = DirectCache(self.vault, self.folder, self.person)
        return self.acquire(self.plan(profile), cache, **others)

    def acquire(self, plan: Plan, cache: DirectCache, **others: Any) -> Session:
        around = context(self.folder, clock=self.clock, sleep=self.clock.sleep, **others)
        return acquire(plan, self.vault, cache, self.person, around)

    def plan(self, profile: Profile) -> Plan:
        return build(profile, self.vault.stored_keys(), Options())


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    stand_in = Aws()
    monkeypatch.setattr(calls, "call_sts", stand_in)
    return stand_in


@pytest.fixture
def scene(tmp_path: Path, aws: Aws) -> Scene:
    return Scene(tmp_path, aws)


def test_each_step_uses_the_credentials_of_the_one_before(scene: Scene) -> None:
    assert scene.command(home).access_key_id == "ASIA2"
    assert scene.aws.called == [("get-session-token", "AKIAWORK"), ("assume-role", "ASIA1")]


def test_long_term_keys_come_straight_from_the_vault(scene: Scene) -> None:
    plan = build(work, scene.vault.stored_keys(), Options(no_session=True))
    cache = DirectCache(scene.vault, scene.folder, scene.person)
    assert scene.acquire(plan, cache) == Session("AKIAWORK", "long-term-secret")
    assert scene.aws.called == []


def test_a_session_with_a_code_serves_the_next_command(scene: Scene) -> None:
    assert scene.command(work) == scene.command(work)
    assert len(scene.person.asked) == 1


def test_profiles_that_share_a_device_share_its_session(scene: Scene) -> None:
    scene.command(home)
    scene.command(replace(home, name="other", role_arn="arn:aws:iam::3:role/Other"))
    assert [call for call, _ in scene.aws.called] == ["get-session-token", "assume-role", "assume-role"]
    assert len(scene.person.asked) == 1


@pytest.mark.parametrize("profiles", [(work, home), (home, work)])
def test_a_user_and_the_users_role_share_one_code(scene: Scene, profiles: tuple[Profile, ...]) -> None:
    for profile in profiles:
        scene.command(profile)
    assert len(scene.person.asked) == 1


def test_a_lifetime_that_was_asked_for_is_not_traded_for_another(scene: Scene) -> None:
    scene.command(home)
    asked_for = Durations(assume_role=1800, session_token=1800, chained_session_token=1800)
    scene.command(replace(work, durations=asked_for))
    assert len(scene.person.asked) == 2


def test_a_role_session_that_cost_only_a_call_is_in_no_vault(scene: Scene) -> None:
    scene.command(plain)
    scene.command(plain)
    assert len(scene.aws.called) == 2
    assert scene.vault.kept == {}


def test_a_role_session_is_kept_in_memory(scene: Scene) -> None:
    cache = DirectCache(scene.vault, scene.folder, scene.person)
    assert scene.acquire(scene.plan(plain), cache) == scene.acquire(scene.plan(plain), cache)


def test_the_vault_keeps_the_session_by_fingerprint(scene: Scene) -> None:
    session = scene.command(work)
    fingerprint = scene.plan(work).steps[-1].fingerprint
    assert scene.vault.kept == {fingerprint: session.to_json()}
    label = scene.vault.labels[fingerprint]
    assert (label.profile, label.call, label.expires_at) == ("work", "get-session-token", session.expires_at)


def test_a_session_with_too_little_life_left_is_replaced(scene: Scene) -> None:
    first = scene.command(work)
    scene.clock.sleep(3600 - 300)
    assert scene.command(work) == first
    scene.clock.sleep(1)
    assert scene.command(work) != first


@pytest.mark.parametrize(("min_remaining", "is_kept"), [(1800, True), (1801, False), (0, True)])
def test_how_much_life_is_enough_can_be_said(scene: Scene, min_remaining: float, is_kept: bool) -> None:
    first = scene.command(work)
    scene.clock.sleep(1800)
    assert (scene.command(work, min_remaining=min_remaining) == first) is is_kept


def test_an_expired_session_is_never_used(scene: Scene) -> None:
    first = scene.command(work)
    scene.clock.sleep(3600)
    assert scene.command(work, min_remaining=0) != first


def test_fresh_gets_a_new_session(scene: Scene) -> None:
    first = scene.command(work)
    scene.clock.sleep(1)
    assert scene.command(work, fresh=True) != first


def test_fresh_takes_a_source_that_cost_a_code_from_the_cache(scene: Scene) -> None:
    first = scene.command(home)
    scene.clock.sleep(1)
    assert scene.command(home, fresh=True) != first
    assert len(scene.person.asked) == 1


def test_fresh_repeats_every_step_that_needs_no_person(scene: Scene) -> None:
    chained = replace(plain, name="chained", source=plain)
    cache = DirectCache(scene.vault, scene.folder, scene.person)
    scene.acquire(scene.plan(chained), cache)
    scene.clock.sleep(1)
    scene.acquire(scene.plan(chained), cache, fresh=True)
    assert len(scene.aws.called) == 4


def test_a_cached_source_that_aws_no_longer_takes_is_replaced(scene: Scene) -> None:
    scene.command(home)
    scene.aws.no_longer_takes = {"ASIA1"}
    scene.clock.sleep(1)
    scene.command(home)
    assert scene.aws.called[2:] == [
        ("assume-role", "ASIA1"),
        ("get-session-token", "AKIAWORK"),
        ("assume-role", "ASIA4"),
    ]
    assert [kept["access_key_id"] for kept in scene.vault.kept.values()] == ["ASIA4"]


def test_a_new_source_that_aws_does_not_take_is_an_error_at_once(scene: Scene) -> None:
    scene.aws.no_longer_takes = {"ASIA1"}
    with pytest.raises(RefusedError):
        scene.command(home)
    assert len(scene.aws.called) == 2


def test_long_term_keys_unknown_to_aws_are_an_error_at_once(scene: Scene) -> None:
    scene.aws.no_longer_takes = {"AKIAWORK"}
    with pytest.raises(RefusedError):
        scene.command(work)
    assert len(scene.aws.called) == 1


def test_a_damaged_session_counts_as_none(scene: Scene) -> None:
    scene.vault.kept[scene.plan(work).steps[-1].fingerprint] = {"access_key_id": "x\ny"}
    assert scene.command(work).access_key_id == "ASIA1"


def test_a_session_that_cannot_be_kept_is_used_all_the_same(scene: Scene) -> None:
    scene.vault.is_read_only = True
    assert scene.command(work).access_key_id == "ASIA1"
    assert scene.person.told == ["the session could not be kept for later: the vault is read-only"]


def test_keys_replaced_in_between_are_an_error(scene: Scene) -> None:
    plan = scene.plan(work)
    scene.vault.keys["work"] = StoredKeys("AKIANEW", "new")
    with pytest.raises(SessionError, match="keys of work were replaced just now: run the command again"):
        scene.acquire(plan, DirectCache(scene.vault, scene.folder, scene.person))


def test_no_person_to_ask_leaves_no_lock_behind(scene: Scene) -> None:
    scene.person = person()
    with pytest.raises(NeedsPersonError):
        scene.command(work)
    assert list(scene.folder.iterdir()) == []


def test_a_command_that_waited_takes_the_others_session(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = DirectCache(scene.vault, scene.folder, scene.person)
    ours = DirectCache(scene.vault, scene.folder, scene.person)
    plan = scene.plan(work)
    lock = ours.lock

    def got_by_another_first(step: Step) -> Any:
        scene.acquire(plan, others)
        return lock(step)

    monkeypatch.setattr(ours, "lock", got_by_another_first)
    scene.acquire(plan, ours)
    assert len(scene.aws.called) == 1


def test_a_command_that_waited_takes_a_shorter_session_too(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.aws.lifetime = 60
    test_a_command_that_waited_takes_the_others_session(scene, monkeypatch)


def _process(command: str) -> Profile:
    return Profile("helped", True, credential_process=command)


def test_keys_of_a_process_without_expiry_are_not_kept(scene: Scene, tmp_path: Path) -> None:
    counter = tmp_path / "count"
    reply = '{"Version": 1, "AccessKeyId": "AKIA1", "SecretAccessKey": "s"}'
    script = tmp_path / "helper"
    script.write_text(f"#!/bin/sh\necho x >> {counter}\necho '{reply}'\n")
    script.chmod(0o700)
    cache = DirectCache(scene.vault, scene.folder, scene.person)
    for _ in range(2):
        session = scene.acquire(scene.plan(_process(str(script))), cache)
    assert session.expires_at is None
    assert counter.read_text() == "x\nx\n"


def test_a_helper_that_asks_for_its_own_profile_is_refused(scene: Scene) -> None:
    with pytest.raises(SessionError, match="helper process of profile helped asks for that same profile"):
        scene.command(_process("true"), environment={"SHELLVAULT_RESOLVING": "other helped"})


@pytest.mark.parametrize("profile", [work, home, plain], ids=lambda profile: profile.name)
def test_nothing_that_is_said_holds_a_secret(scene: Scene, profile: Profile) -> None:
    session = scene.command(profile)
    shown = [repr(session), repr(scene.plan(profile)), *scene.person.told]
    assert not any("secret" in text.replace("secret_access_key", "") for text in shown)
