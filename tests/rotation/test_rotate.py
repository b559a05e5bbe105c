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


def test_the_old_key_is_replaced_proved_made_inactive_and_deleted() -> None:
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
def test_wherever_it_stops_the_stored_key_works_and_the_next_rotation_completes(
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
    assert world.told == ["waiting until AWS knows the new key everywhere"]


def test_a_key_that_is_never_known_is_deleted_and_the_old_one_stays() -> None:
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


def test_a_second_key_that_is_not_ours_is_named_with_its_use_and_nothing_is_changed() -> None:
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
        assert "secret" not in f"{stopped.value}{world.told}"
