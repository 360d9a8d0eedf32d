"""The list of what is skipped where a mechanism is switched off."""

from __future__ import annotations

import flags


def test_the_list_of_what_is_skipped_is_up_to_date() -> None:
    assert (flags.HERE / "FLAGS.md").read_text() == flags.page(), "run: python tests/flags.py"
