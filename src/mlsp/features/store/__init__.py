"""A feature file: HDF5, one row per photo, written so that a kill loses nothing that was reported as done.

    store        FeatureStore, the way in: create, open, resume, write
    reader       its reading half; dataset, the same for torch
    schema       what is in the file; making, a new one
    codec        features -> stored numbers, and back
    records      which photos are done, and their checksums
    rows         where rows lie: at fixed positions, or compressed through a journal
    compression  HDF5's filters
    files        positioned reads and writes, syncs, the lock of the writer
    copy, merge  whole stores from rows of others
    npz          numpy's files, read and written
    released     files of the paper's published code

Everybody above `features` reads stores by it. It knows no inference engine.
"""
