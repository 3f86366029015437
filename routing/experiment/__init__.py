"""Experiments: what is kept of them, what it says at any time, and what follows from it.

    sums            what is kept of an arm: sums over its units
    units           which value a unit brings, and to which arm and step it belongs
    accumulate      the same a request at a time, as they are recorded
    tally           sums over units that come and change
    measures        from those sums to what a ruling looks at, metric by metric
    effects         the difference between two arms, step by step, with its variance
    sequence        intervals and p-values that hold however often one looks
    bounded         the same for rare events, without an approximation
    mixture         the evidence that this rests on, and where it is least
    quantiles       p95 and the like
    quantile_test   whether a quantile of two arms is the same
    paired          two models on the same requests
    sample_ratio    whether the arms got the units that they should have
    multiplicity    several metrics or arms at once
    comparison      several arms against one of them
    ruling          whether an arm may take over
    contract        what is promised before the start, and how far it has come
    advance         what becomes of an experiment now
    size            how many units that takes

It runs in the control plane and in commands, with numpy and scipy; no worker imports it.
"""
