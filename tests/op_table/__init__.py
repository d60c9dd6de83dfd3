"""The op table: one row per op and variant, and the checks that every row passes on every device."""

from . import (
    arrangement,
    attention,
    creation,
    elementwise,
    image,
    libraries,
    linalg,
    mathematics,
    nn,
    reduction,
    shape,
    statistics,
)

FAMILIES = (
    *(elementwise, mathematics, reduction, statistics, linalg, libraries, shape),
    *(arrangement, nn, attention, image, creation),
)
ROWS = [row for family in FAMILIES for row in family.ROWS]
