"""How often Python looks for garbage: seldom in a process that reads much at once and ends soon."""

import gc

#: Objects that are made between two looks. A config file of 10,000 profiles is read in two thirds of the time.
_OBJECTS = 100_000


def look_seldom() -> None:
    """Sets that for this process."""
    gc.set_threshold(_OBJECTS)
