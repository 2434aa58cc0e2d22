"""Which simulators there are, by the name of their family, and how one is built from what a person types.

Nothing is imported that is not asked for: each family's room has its own.
"""

import difflib
import importlib
import inspect
import typing
from collections.abc import Mapping, MutableMapping
from typing import Any

import msgspec

from hardware.simulation.simulator import ControlError, Ledger, Simulator

FAMILIES = ("ccnet", "cctalk", "shtrih", "atol", "escpos", "id003", "ssp")


def find_simulator(family: str) -> type[Simulator]:
    """The family's simulator.

    Raises:
        ControlError: there is no such family.
    """
    if family not in FAMILIES:
        near = difflib.get_close_matches(family, FAMILIES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FAMILIES)}"
        raise ControlError(f"there is no simulated {family!r}; {hint}")
    module = importlib.import_module(f"hardware.{family}.simulator")
    for found in vars(module).values():
        if (
            isinstance(found, type)
            and issubclass(found, Simulator)
            and found.__module__ == module.__name__
            and getattr(found, "family", None) == family
        ):
            return found
    raise ControlError(f"the simulated {family!r} is not built yet")


def options_of(kind: type[Simulator]) -> dict[str, inspect.Parameter]:
    """What its constructor takes by keyword, besides memory and ledger."""
    parameters = inspect.signature(kind).parameters.values()
    return {each.name: each for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}


def read_options(kind: type[Simulator], typed: Mapping[str, str]) -> dict[str, Any]:
    """`name=value` texts as the types its constructor wants.

    Raises:
        ControlError: an unknown option, or a value of another type.
    """
    known = options_of(kind)
    hints = typing.get_type_hints(kind.__init__) if known else {}
    takes_any = any(
        each.kind is inspect.Parameter.VAR_KEYWORD for each in inspect.signature(kind).parameters.values()
    )  # and checks them itself
    given: dict[str, Any] = {}
    for name, value in typed.items():
        if takes_any and name not in known:
            given[name] = value
            continue
        if name not in known:
            there = f"there are {', '.join(known)}" if known else "it has none"
            raise ControlError(f"{kind.family} has no option {name}; {there}")
        try:
            given[name] = _read(value, hints.get(name, str))
        except msgspec.MsgspecError as error:
            raise ControlError(f"{name}={value}: {error}") from None
    return given


def build(
    kind: type[Simulator], memory: MutableMapping[str, Any], ledger: Ledger, typed: Mapping[str, str]
) -> Simulator:
    """A simulator, without power.

    Raises:
        ControlError: an option is wrong.
    """
    options = read_options(kind, typed)
    try:
        return kind(memory, ledger, **options)
    except ControlError:
        raise
    except (ValueError, TypeError, LookupError) as error:
        raise ControlError(f"{kind.family}: {error}") from error


def _read(value: str, hint: Any) -> Any:
    if hint is str:
        return value
    try:
        return msgspec.convert(value, hint, strict=False)
    except msgspec.ValidationError:
        # A table or a list, written as JSON.
        return msgspec.json.decode(value, type=hint, strict=False)
