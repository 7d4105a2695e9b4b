"""People's ratings of photos: tables, public data sets, splits, checks.

    table         RatingTable: one row per photo
    files         CSV and Parquet -> RatingTable
    listing       a data set's photos, for an extraction
    datasets/     public collections, one file each
    splits        train, validation, test
    photo_checks  checks of the photos: readable, equal, alike

A name is imported from its module.
"""
