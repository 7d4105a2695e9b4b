"""Many photos -> one feature file.

    settings  NetworkSettings: which features of which network
    plan      settings -> NetworkPlan -> ExtractionNetwork, ready to run
    run       photos -> rows, resumable: Extraction, or extract_to in one call

Used by `mlsp extract`, `mlsp.bulk.ray_extraction` and `FeatureExtractor.extract_to`.
"""
