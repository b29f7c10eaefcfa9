"""`aggregate operator number`, brought down to `at least`."""

from __future__ import annotations

import ast
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Final

from pipeline.core.plan import MICROS
from pipeline.core.sets import AllHeld, Condition, NotHeld
from pipeline.spec.problem import Refusal, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.spec.syntax import Code

DISTINCT_MAX: Final = 100  # so many others an entity's row remembers at the most
_QUANTITY_MAX: Final = 1 << 62  # quantities are counted in 64 bits


def number_of(code: Code, node: ast.expr) -> Decimal:
    """The number on the right of a comparison, exactly as written.

    Raises:
        Refusal: for anything but a number.
    """
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return Decimal(code.number(node))
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() as operand):
            return number_of(code, operand).copy_negate()
        case ast.Name(id=name):
            near = nearest(name, code.numbers)
            meant = f"Did you mean `{near}`? " if near else ""
            raise code.refusal(
                node,
                "unknown-param",
                f"`{name}` is no number, nor the name of one",
                f"{meant}Write the number itself, or give it this name: `params: {{{name}: 3}}`.",
            )
    raise code.refusal(
        node,
        "bad-comparison",
        "on the right of a comparison stands a plain number",
        "Write the number itself: `count(active) >= 3`.",
    )


def check_number(function: str, operator: str, number: Decimal) -> None:
    """Refuse what cannot be a threshold of this function.

    Raises:
        Refusal: for a fraction of an event or entity, too many others, or equal sums.
    """
    if function == "sum":
        if operator in ("==", "!="):
            raise Refusal(
                "bad-threshold",
                f"a sum cannot be compared with `{operator}`",
                "Write `>=` or `<=`; `==` and `!=` are for `count` and `distinct`.",
            )
    elif number != number.to_integral_value():
        raise Refusal(
            "bad-threshold",
            f"`{function}` is a whole number; {number} is none",
            "Write the next whole number.",
        )
    if function == "distinct" and number > DISTINCT_MAX:
        raise Refusal(
            "bad-threshold",
            f"`distinct` in a set counts to {DISTINCT_MAX} at the most",
            f"Write at most {DISTINCT_MAX}; each row remembers that many others.",
        )
    check_size(number)


def check_size(number: Decimal) -> None:
    """Refuse a number beyond all quantities."""
    if abs(number) * MICROS > _QUANTITY_MAX:
        raise Refusal("bad-threshold", "this number is too large", "Nothing can reach it.")


def check_open(operator: str, number: Decimal) -> None:
    """Refuse a comparison of a quantity that is never negative, if its outcome is fixed.

    Raises:
        Refusal: where it always or never holds.
    """
    always = {">=": number <= 0, ">": number < 0, "!=": number < 0}.get(operator, False)
    never = {"<": number <= 0, "<=": number < 0, "==": number < 0}.get(operator, False)
    if always or never:
        raise Refusal(
            "fixed-comparison",
            f"this {'always' if always else 'never'} holds: nothing is less than 0 here",
            "Compare with a number of 1 or more, or `== 0` for none at all.",
        )


def compared(operator: str, number: Decimal, at_least: Callable[[int], Condition]) -> Condition:
    """The condition that `quantity operator number` comes down to.

    Args:
        operator: one of `== != < <= > >=`; the first two for whole numbers only.
        number: in the unit of the quantity (events, others, members, millionths).
        at_least: makes the condition that the quantity is at least a whole number.
    """
    match operator:
        case ">=":
            return at_least(reached(number))
        case ">":
            return at_least(passed(number))
        case "<":
            return NotHeld(at_least(reached(number)))
        case "<=":
            return NotHeld(at_least(passed(number)))
    is_none = NotHeld(at_least(passed(number)))
    equal = AllHeld((at_least(reached(number)), is_none)) if number > 0 else is_none
    return equal if operator == "==" else _opposite(equal)


def reached(number: Decimal) -> int:
    """The least whole number that is at least this one."""
    return int(number.to_integral_value(ROUND_CEILING))


def passed(number: Decimal) -> int:
    """The least whole number that is more than this one."""
    return int(number.to_integral_value(ROUND_FLOOR)) + 1


def least_of(operator: str, number: Decimal) -> int:
    """The quantity from which on `>= number` or `> number` holds, and `<` or `<=` does not."""
    return reached(number) if operator in (">=", "<") else passed(number)


def _opposite(condition: Condition) -> Condition:
    return condition.condition if isinstance(condition, NotHeld) else NotHeld(condition)
