"""Phantoms: realistic images made by code, and lesions put into real ones.

    import numpy as np
    from medheart.phantom import brain_mask, brain_mr, chest_ct, insert_glioma, insert_nodules
    from medheart.phantom import lung_mask, tumour_labels

    volume, labels = chest_ct(7, spacing=(1.1, 1.1, 1.5), shape=(200, 320, 320), nodules=3)
    images, labels = brain_mr(7, skull=False)                    # images["flair"], images["t1c"]
    rng = np.random.default_rng(1)
    with_nodules, mask = insert_nodules(real_ct, lung_mask(real_ct), rng, 4)
    flair, t1c, parts = insert_glioma(real_flair, real_t1c, brain_mask(real_flair), rng)
    labels = tumour_labels(parts, flair.geometry)                # parts: 1..4 as in BraTS 2013

Arrays are (K, J, I); phantoms lie along L, P, S; `flipped`, `turned` and `random_geometry` put them on
other grids. A generator of `numpy.random` or a seed decides everything; lesions are parameters first
(`sample_…`, frozen dataclasses) and are rendered from these without any further chance.
"""

from medheart.phantom.chest import chest_ct
from medheart.phantom.glioma import insert_glioma, tumour_labels
from medheart.phantom.head import brain_mr
from medheart.phantom.masks import brain_mask, lung_mask
from medheart.phantom.nodules import insert_nodules
from medheart.phantom.variants import flipped, random_geometry, turned

__all__ = [
    "brain_mask",
    "brain_mr",
    "chest_ct",
    "flipped",
    "insert_glioma",
    "insert_nodules",
    "lung_mask",
    "random_geometry",
    "tumour_labels",
    "turned",
]
