"""What is worked out once."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from functools import cached_property as lazy
    from typing import Any, TypeVar

    F = TypeVar("F")
    V = TypeVar("V")
else:

    class lazy:  # noqa: N801  # used like `property`
        """`functools.cached_property` without its lock, which Python 3.11 takes at each first use."""

        def __init__(self, work: Callable[[Any], Any]) -> None:
            """Take the method that does the work."""
            self._work = work
            self._name = work.__name__
            self.__doc__ = work.__doc__

        def __get__(self, instance: Any, owner: type) -> Any:
            """Work it out and keep it in the instance, where it is found from then on."""
            if instance is None:
                return self
            value = self._work(instance)
            instance.__dict__[self._name] = value
            return value


def kept(work: Callable[[F], V]) -> Callable[[F], V]:
    """Let a fact keep what a function of it answered, and take it along when it goes.

    A cache beside the facts would hold those of other files until they are forced out of it.
    """
    name = f"{work.__module__}.{work.__qualname__}"

    def asked(fact: F) -> V:
        known = fact.__dict__
        if name not in known:
            known[name] = work(fact)
        answer: V = known[name]
        return answer

    asked.__doc__ = work.__doc__
    return asked


__all__ = ["kept", "lazy"]
