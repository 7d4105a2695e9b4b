"""Photos -> scores. `scorer.Scorer` is the way in.

    scorer        Scorer: photos -> results, in order, failures as values
    opened_model  a model's network and heads, open on this machine
    steps         content -> features -> outputs, each computed once
    heads         Heads: features -> outputs -> scores, faults and kinds
    results       the scores of a photo
    relative      percentiles among the photos of one run
    predictor     stored features -> values
    cache/        scores and features, cached between runs
    parity        an exported file compared with the scorer

For everything above it. Loads no training library; a name is imported from its module.
"""
