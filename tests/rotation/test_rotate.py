"""A rotation ends with one working key, in the vault, whatever fails and wherever it is killed."""

import pytest

from shellvault.errors import SessionError, ShellvaultError
from shellvault.rotation.rotate import PROOF_SECONDS, rotate
from tests.rotation.world import FIRST, Faults, KilledError, World


def _calls_of_a_rotation() -> list[str]:
    world = World()
    rotate(world.rotation())
    return world.faults.calls


CALLS = _calls_of_a_rotation()
POINTS = [(number, after) for number in range(1, len(CALLS) + 1) for after in (False, True)]


def _name(point: object) -> str:
    match point:
        case (int(number), bool(after)):
            return f"{number}-{'after' if after else 'before'}-{CALLS[number - 1]}"
    return getattr(point, "__name__", str(point))


def test_the_old_key_is_replaced_made_inactive_and_deleted() -> None:
    world = World()
    done = rotate(world.rotation())

    assert (done.old_id, done.new_id, done.old_is) == (FIRST.access_key_id, "AKIANEW1", "deleted")
    assert world.stored.access_key_id == "AKIANEW1"
    assert world.iam.works(world.stored)
    assert list(world.iam.keys) == ["AKIANEW1"]
    assert world.store.notes == {}
    order = [call for call in CALLS if call in ("create", "identity", "save_keys", "deactivate", "delete")]
    assert order == ["create", "identity", "save_keys", "deactivate", "delete"]


def test_the_old_key_can_be_kept_inactive() -> None:
    world = World()
    assert rotate(world.rotation(keep_old=True)).old_is == "inactive"
    assert world.iam.keys[FIRST.access_key_id] == (FIRST.secret_access_key, False)


@pytest.mark.parametrize(
    ("error", "point"),
    [(KilledError, point) for point in POINTS] + [(SessionError, point) for point in POINTS],
    ids=_name,
)
def test_a_stopped_rotation_keeps_a_working_key_and_is_completed(
    error: type[BaseException], point: tuple[int, bool]
) -> None:
    world = World(Faults(*point, error=error))
    with pytest.raises(BaseException) as stopped:
        rotate(world.rotation())
    assert isinstance(stopped.value, (KilledError, ShellvaultError))
    # What is in the vault works, or both pairs are still there for the next run.
    assert world.iam.works(world.stored)

    world.heal()
    rotate(world.rotation())
    assert world.iam.works(world.stored)
    assert list(world.iam.keys) == [world.stored.access_key_id]
    assert world.stored != FIRST
    assert world.store.notes == {}


@pytest.mark.parametrize("second", range(1, 12))
@pytest.mark.parametrize("point", POINTS, ids=_name)
def test_two_stops_in_a_row_lose_nothing_either(point: tuple[int, bool], second: int) -> None:
    world = World(Faults(*point, error=KilledError))
    with pytest.raises(KilledError):
        rotate(world.rotation())
    world.faults.strike_at = len(world.faults.calls) + second
    try:
        rotate(world.rotation())
    except BaseException:
        assert world.iam.works(world.stored)
        world.heal()
        rotate(world.rotation())
    assert world.iam.works(world.stored)
    assert list(world.iam.keys) == [world.stored.access_key_id]


def test_iam_may_take_a_while_to_know_the_new_key() -> None:
    world = World()
    world.iam.unknown_for = 4
    rotate(world.rotation())

    assert world.iam.works(world.stored)
    assert world.said == ["waiting for AWS to accept the new key"]


def test_a_new_key_that_aws_never_accepts_is_deleted() -> None:
    world = World()
    world.iam.unknown_for = 10**6
    started = world.now
    with pytest.raises(SessionError, match="was deleted again, the old one is in use as before"):
        rotate(world.rotation())

    assert world.now - started <= PROOF_SECONDS
    assert world.stored == FIRST
    assert list(world.iam.keys) == [FIRST.access_key_id]


def test_a_vault_that_loses_the_write_keeps_the_old_key() -> None:
    world = World()
    world.store.loses_writes = True
    with pytest.raises(SessionError, match="the vault has not kept the new key"):
        rotate(world.rotation())

    assert world.stored == FIRST
    assert list(world.iam.keys) == [FIRST.access_key_id]
    assert world.store.notes == {}


def test_a_foreign_second_key_is_named_and_stops_the_rotation() -> None:
    world = World()
    world.iam.keys["AKIAOTHER"] = ("unknown", False)
    with pytest.raises(
        SessionError, match=r"AKIAOTHER is not in the vault \(inactive, never used since 2023-11-14\)"
    ):
        rotate(world.rotation())
    assert len(world.iam.keys) == 2
    assert "create" not in world.faults.calls


def test_a_stored_key_that_the_user_does_not_have_is_not_rotated() -> None:
    world = World()
    world.iam.keys = {"AKIAOTHER": ("unknown", True)}
    with pytest.raises(SessionError, match="store the right one with `shellvault add`"):
        rotate(world.rotation())
    assert "create" not in world.faults.calls


def test_no_message_holds_a_secret() -> None:
    for point in POINTS:
        world = World(Faults(*point, error=SessionError))
        with pytest.raises(ShellvaultError) as stopped:
            rotate(world.rotation())
        assert "secret" not in f"{stopped.value}{world.said}"


@pytest.mark.parametrize("denied", [{"all"}, {"deactivate"}, {"all", "deactivate"}])
def test_creating_and_deleting_are_rights_enough(denied: set[str]) -> None:
    world = World()
    world.iam.denies = frozenset(denied)
    assert rotate(world.rotation()).old_is == "deleted"
    assert list(world.iam.keys) == [world.stored.access_key_id] == ["AKIANEW1"]
    assert world.store.notes == {}


@pytest.mark.parametrize(
    ("denied", "keep_old", "state", "right", "again"),
    [
        ({"delete"}, False, "is inactive", "iam:DeleteAccessKey", "rotate work`"),
        ({"all", "delete"}, False, "is inactive", "iam:DeleteAccessKey", "rotate work`"),
        ({"deactivate", "delete"}, False, "still works", "iam:DeleteAccessKey", "rotate work`"),
        ({"deactivate"}, True, "still works", "iam:UpdateAccessKey", "rotate work --keep-old`"),
    ],
)
def test_a_refused_end_says_which_key_works_and_what_to_do(
    denied: set[str], keep_old: bool, state: str, right: str, again: str
) -> None:
    world = World()
    world.iam.denies = frozenset(denied)
    with pytest.raises(SessionError) as stopped:
        rotate(world.rotation(keep_old=keep_old))
    said = str(stopped.value)
    assert "AKIANEW1 of work is in the vault and works" in said
    assert f"AKIAFIRST {state}" in said
    assert right in said
    assert again in said
    assert world.stored.access_key_id == "AKIANEW1"
    assert world.iam.works(world.stored)
    assert world.iam.keys[FIRST.access_key_id][1] == (state == "still works")

    world.iam.denies = frozenset()
    assert rotate(world.rotation(keep_old=keep_old)).was_under_way
    assert world.store.notes == {}


def test_an_old_key_that_was_deleted_by_hand_ends_the_rotation() -> None:
    world = World()
    world.iam.denies = frozenset({"delete"})
    with pytest.raises(SessionError):
        rotate(world.rotation())
    del world.iam.keys[FIRST.access_key_id]
    assert rotate(world.rotation()).old_is == "deleted"
    assert world.store.notes == {}


def test_a_refused_beginning_says_that_nothing_was_changed() -> None:
    world = World()
    world.iam.denies = frozenset({"create"})
    with pytest.raises(SessionError, match="nothing was changed: AKIAFIRST of work is in use as before"):
        rotate(world.rotation())
    assert world.stored == FIRST
    assert world.store.notes == {}


def test_without_list_access_a_possible_new_key_is_reported() -> None:
    world = World(Faults(CALLS.index("create") + 1, after=True, error=KilledError))
    world.iam.denies = frozenset({"all"})
    with pytest.raises(KilledError):
        rotate(world.rotation())
    world.heal()
    with pytest.raises(SessionError, match="nothing was changed: AKIAFIRST of work is in use as before"):
        rotate(world.rotation())
    assert "if work has another one than AKIAFIRST, delete it in IAM" in world.said[0]
    del world.iam.keys["AKIANEW1"]
    assert rotate(world.rotation()).new_id == "AKIANEW2"


@pytest.mark.parametrize("point", POINTS, ids=_name)
def test_every_stop_with_the_new_key_in_use_says_so(point: tuple[int, bool]) -> None:
    world = World(Faults(*point, error=SessionError))
    with pytest.raises(ShellvaultError) as stopped:
        rotate(world.rotation())
    if world.stored != FIRST:
        assert f"{world.stored.access_key_id} of work is in the vault and works" in str(stopped.value)


def test_a_second_key_is_named_even_if_its_use_is_unknown() -> None:
    world = World()
    world.iam.denies = frozenset({"last_used"})
    world.iam.keys["AKIAOTHER"] = ("unknown", True)
    with pytest.raises(SessionError, match=r"AKIAOTHER is not in the vault \(active, made 2023-11-14\)"):
        rotate(world.rotation())
