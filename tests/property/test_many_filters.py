"""The laws of filters at length, in parts with a store each that depend on the number of the part alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from property.checks import check_filter, quiet, write
from property.filter_texts import filters, relations
from property.populations import Population, populations
from store.harness import open_store


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("thousand", range(20))
def test_twenty_thousand_filters_find_what_the_reference_finds(tmp_path: Path, thousand: int) -> None:
    """In twenty parts with a store each, whose populations and filters depend on the number of the part alone."""
    with open_store(tmp_path / "engine") as store:

        @seed(thousand)
        @quiet(40)
        @given(population=populations(), texts=st.lists(filters, min_size=25, max_size=25))
        def check(population: Population, texts: list[str]) -> None:
            write(store, population)
            for text in texts:
                check_filter(store, population, text)

        check()


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(4))
def test_a_thousand_conditions_on_relatives_find_what_the_reference_finds(tmp_path: Path, part: int) -> None:
    """They cost more than others, in the reference too, so they are counted by themselves."""
    with open_store(tmp_path / "engine") as store:

        @seed(part)
        @quiet(25)
        @given(population=populations(min_size=10, max_size=20), texts=st.lists(relations, min_size=10, max_size=10))
        def check(population: Population, texts: list[str]) -> None:
            write(store, population)
            for text in texts:
                check_filter(store, population, text)

        check()
