"""The store: studies, images, label versions, documents and case leases.

Objects (image voxels, label chunks, original files, documents) lie in an object store under names
that are digests; records lie in SQL. The SQL row is the only commit point and is written last:
objects without a row may exist, a row without its objects does not.
"""

from medheart_store.diff import VersionDiff
from medheart_store.objects import FolderObjects, ObjectStore
from medheart_store.store import Store

__all__ = ["FolderObjects", "ObjectStore", "Store", "VersionDiff"]
