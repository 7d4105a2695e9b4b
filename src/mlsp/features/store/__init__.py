"""A feature file: HDF5, a row a photo, written so that a kill loses nothing that was said to be done.

The way in is `mlsp.features.store.store.FeatureStore`. Knows no engine.
"""
