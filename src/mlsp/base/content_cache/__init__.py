"""Caches that outlive a run, by the content of photos and by what computed a value of them.

    cache   ContentCache: values in a SQLite file; NullCache, which caches nothing
    file    the SQLite file: its layout, how it is opened, checksums of its rows, what damage is
    keys    the key of what computed a value: settings, versions, code

A cache is a class derived from `ContentCache` that names its table and packs its values.
"""

from __future__ import annotations

from mlsp.base.content_cache.cache import ContentCache, NullCache
from mlsp.base.content_cache.file import checked, with_checksum
from mlsp.base.content_cache.keys import made_by

__all__ = ["ContentCache", "NullCache", "checked", "made_by", "with_checksum"]
