import sys

import pytest

from pipeline.errors import ToolMissing
from pipeline.probing import ScipyStatistics

RISING = [float(value) for value in range(8)]


def test_samples_that_differ_are_unlikely() -> None:
    """Two samples that do not overlap have the smallest p-value of their size, whichever is the larger."""
    higher = [value + 100 for value in RISING]
    p = ScipyStatistics().mann_whitney(RISING, higher)
    assert p == pytest.approx(2 / 12_870)  # of the ways to choose 8 of 16, the two extremes
    assert ScipyStatistics().mann_whitney(higher, RISING) == p


def test_samples_alike_are_likely() -> None:
    """The same sample twice differs by chance alone."""
    assert ScipyStatistics().mann_whitney(RISING, RISING) == 1.0


def test_constant_samples_do_not_differ() -> None:
    """All values the same: no difference, and no division by a spread of nought."""
    assert ScipyStatistics().mann_whitney([0.0] * 10, [0.0] * 12) == 1.0


def test_without_scipy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SciPy is not installed, the error says how to install it."""
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(ToolMissing, match="needs SciPy") as caught:
        ScipyStatistics().mann_whitney(RISING, RISING)
    assert caught.value.hint == "pip install 'rebake[canary]'"
