"""The RSNA 2019 download is read as it is, and none of its traps stops a run."""

import numpy as np
import pytest

from model.data.dataset import LeftOut, SourceSlice, count_kinds
from model.data.rsna import RsnaSet
from rsna_factory import RsnaTree, write_rsna_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> RsnaTree:
    return write_rsna_tree(tmp_path_factory.mktemp("rsna"))


@pytest.fixture(scope="module")
def slices(tree: RsnaTree) -> dict[str, SourceSlice]:
    """All slices that can be read."""
    data_set = RsnaSet(tree.root)
    results = data_set.read(data_set.index().names)
    return {result.name: result for result in results if isinstance(result, SourceSlice)}


def test_the_index_lists_the_labelled_images_and_counts_the_rest(tree: RsnaTree) -> None:
    index = RsnaSet(tree.root).index()

    indexed = dict(zip(index.names, map(tuple, index.targets.tolist()), strict=True))
    assert set(indexed) == set(tree.labels) | set(tree.unreadable)
    assert {name: indexed[name] for name in tree.labels} == tree.labels
    assert count_kinds(index.left_out) == tree.left_out
    assert index.targets.dtype == np.int8
    assert sorted(np.concatenate(index.units).tolist()) == list(range(len(index.names)))


def test_any_is_1_wherever_a_subtype_is(tree: RsnaTree) -> None:
    assert tree.labels[tree.corrected_any][0] == 1

    targets = RsnaSet(tree.root).index().targets

    assert np.array_equal(targets[:, 0], targets[:, 1:].max(axis=1))
    assert (targets.sum(axis=0) > 0).all()


def test_unreadable_files_are_left_out_by_name_and_the_rest_is_read(
    tree: RsnaTree, slices: dict[str, SourceSlice]
) -> None:
    assert set(slices) == set(tree.labels)

    left_out = list(RsnaSet(tree.root).read(list(tree.unreadable)))

    for result, (name, reason) in zip(left_out, tree.unreadable.items(), strict=True):
        assert isinstance(result, LeftOut)
        assert result.name == name
        assert reason in result.detail
