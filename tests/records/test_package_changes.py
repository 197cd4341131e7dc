from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.packages import Package
from pipeline.planning.packages import ChangeKind, PackageChange, package_changes


def packages(text: str) -> list[Package]:
    """Read ``name=version`` words."""
    return [Package(name=word.split("=")[0], version=word.split("=")[1]) for word in text.split()]


def test_changes_are_told_by_name() -> None:
    """Added, removed and changed packages come out sorted; the rest does not."""
    before, after = packages("zlib=1 bash=5 perl=5.36"), packages("nginx=1.22 bash=5 perl=5.38")
    assert package_changes(before, after) == (
        PackageChange(name="nginx", kind=ChangeKind.ADDED, after="1.22"),
        PackageChange(name="perl", kind=ChangeKind.CHANGED, before="5.36", after="5.38"),
        PackageChange(name="zlib", kind=ChangeKind.REMOVED, before="1"),
    )


def test_versions_side_by_side_are_one_change() -> None:
    """A second kernel beside the first is one change of one package."""
    assert package_changes(packages("kernel=6.1"), packages("kernel=6.12 kernel=6.1")) == (
        PackageChange(name="kernel", kind=ChangeKind.CHANGED, before="6.1", after="6.1, 6.12"),
    )


_LISTS = st.lists(st.builds(Package, name=st.sampled_from("abcd"), version=st.sampled_from("123")))


@given(before=_LISTS, after=_LISTS)
def test_comparing_backwards_swaps_the_sides(before: list[Package], after: list[Package]) -> None:
    """The way back is the same changes with before and after exchanged, and equal lists have none."""
    swapped = {(change.name, change.after, change.before) for change in package_changes(after, before)}
    assert {(change.name, change.before, change.after) for change in package_changes(before, after)} == swapped
    assert package_changes(before, reversed(before)) == ()
