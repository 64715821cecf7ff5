"""The code of the user guide that is not a session of doctest: it needs libraries that only some tests have."""

import re
from pathlib import Path

GUIDE = Path(__file__).parents[1] / "docs" / "guide"


def scripts(page):
    """Return the blocks of Python on a page that show no prompts."""
    text = (GUIDE / f"{page}.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if not block.startswith(">>>")]


def run(blocks):
    """Run the blocks one after the other, as a reader does, and return the names they leave."""
    scope = {}
    exec("\n".join(blocks), scope)  # noqa: S102
    return scope
