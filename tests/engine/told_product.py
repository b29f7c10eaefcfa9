"""The deep product, whose sets say who enters and who leaves."""

import re

from tests.engine.both_engines import compiled
from tests.engine.deep_product import DEFINITION

TEXT = re.sub(r"(\n    of: \w+\n)", r"\1    transitions: true\n", DEFINITION)
PLAN = compiled(TEXT)
