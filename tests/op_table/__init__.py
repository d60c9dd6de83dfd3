"""The op table: one row per op and variant, and the checks that every row passes on every device."""

from . import attention, creation, elementwise, linalg, nn, reduction, shape

FAMILIES = (elementwise, reduction, linalg, shape, nn, attention, creation)
ROWS = [row for family in FAMILIES for row in family.ROWS]
