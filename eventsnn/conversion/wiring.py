"""Connections between the populations of two stages; nothing that repeats is stored twice."""

import numpy as np

from .. import ann
from ..model.connections import Dense, OneToOne
from ..model.convolution import Conv2d


def connection(branch, source, target, scale, dtype):
    """The connection for `branch` from `Stage` source to target, its weights times `scale`, as `dtype`.

    >>> from eventsnn.conversion.stages import fold
    >>> _, (source, target) = fold([ann.Linear([[2.0, 3.0]])], (2,))
    >>> connection(target.branches[0], source, target, 0.5, "float64").weight
    array([[1. ],
           [1.5]])
    """
    affine, options = branch.affine, {"tile": target.tile, "source_tile": source.tiled}
    if isinstance(affine, ann.Conv2d):
        return Conv2d((scale * affine.weight).astype(dtype), branch.shape, affine.stride, affine.padding,
                      dilation=affine.dilation, groups=affine.groups, **options)
    if affine is None and len(branch.shape) == 3:
        each = np.full((branch.shape[0], 1, 1, 1), scale, dtype)
        return Conv2d(each, branch.shape, groups=branch.shape[0], **options)
    if affine is None:
        return OneToOne(scale)
    if source.tiled > 1:  # a map of pooled images: one window that is all of them
        return Conv2d((scale * affine.weight).astype(dtype).reshape(-1, *branch.shape), branch.shape, **options)
    return Dense(np.ascontiguousarray((scale * affine.weight.T).astype(dtype)))
