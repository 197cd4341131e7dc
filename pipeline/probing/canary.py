"""Statistics for canaries: the port `pipeline.ports.judging.Statistics`."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import ToolMissing


class ScipyStatistics:
    """SciPy's tests; SciPy is the extra ``canary``, because only those who compare metrics need its size."""

    def mann_whitney(self, control: Sequence[float], experiment: Sequence[float]) -> float:
        """Answer the two-sided p-value; it is 1 where all values are the same.

        Raises:
            ToolMissing: SciPy is not installed.
        """
        try:
            from scipy.stats import mannwhitneyu  # noqa: PLC0415 - an extra, and slow to import
        except ImportError as error:
            raise ToolMissing("The canary gate needs SciPy.", hint="pip install 'rebake[canary]'") from error
        if len({*control, *experiment}) == 1:
            return 1.0  # older releases of SciPy divide by the spread, which is nought here
        return float(mannwhitneyu(control, experiment, alternative="two-sided", method="auto").pvalue)
