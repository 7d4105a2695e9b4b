"""Parts that know nothing of photos, networks or scores.

    errors       every error that mlsp raises on purpose
    results      the failure of one photo, as a value
    arrays       types of numpy arrays
    parallel     a bounded map over threads, in order
    atomic_file  files and folders that are written whole or not at all
    digests      SHA-256 and MD5 of files
    records      dataclasses as records that later fields do not change
    text         names and lists as people read them
    tables       CSV and parquet files as rows of cells
    groups       things that belong together, directly or through others

Any package may import it; it imports none. A name is imported from its module.
"""
