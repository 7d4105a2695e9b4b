"""People's ratings of photos: tables, public data sets, splits, checks.

    table         RatingTable: one row a photo
    files         CSV and Parquet -> RatingTable
    datasets/     public collections, one file each
    splits        train, validation, test
    photo_checks  whether the photos are there and readable

A name is imported from its module.
"""
