"""Photos -> scores: the path every user takes.

    scorer     Scorer: photos -> results, in order, failures as values
    results    the scores of a photo
    predictor  stored features -> predictions
    cache/     scores and features, kept between runs
    parity     an exported file against the scorer

Loads no training library. A name is imported from its module.
"""
