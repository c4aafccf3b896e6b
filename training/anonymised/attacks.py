"""Attackers on descriptors and sequences of movement.

Belongs here: who is ranked first, and probes of attributes. Does not belong here: where the rows come from.
"""

import numpy as np
from scipy.optimize import minimize

Array = np.ndarray
RIDGE = 1.0  # of the logistic attackers, on standardised columns


def described(rows: Array) -> Array:
    """What a segment (n, d) is like: mean, spread, tenth and ninth decile, and mean step of each column."""
    steps = np.abs(np.diff(rows, axis=0)).mean(axis=0) if len(rows) > 1 else np.zeros(rows.shape[1])
    low, high = np.quantile(rows, [0.1, 0.9], axis=0)
    return np.concatenate([rows.mean(axis=0), rows.std(axis=0), low, high, steps])


def standardised(train: Array, test: Array) -> tuple[Array, Array]:
    """Both by the means and spreads of `train`."""
    middle, spread = train.mean(axis=0), train.std(axis=0)
    spread[spread < 1e-9] = 1
    return (train - middle) / spread, (test - middle) / spread


def nearest(train: Array, owners: Array, test: Array) -> Array:
    """The owner of the nearest descriptor."""
    train, test = standardised(train, test)
    return owners[((test[:, None] - train[None]) ** 2).sum(axis=2).argmin(axis=1)]


def discriminant(train: Array, owners: Array, test: Array) -> Array:
    """Linear discriminant analysis with the within-class covariance shrunk half-way to its diagonal."""
    train, test = standardised(train, test)
    names = np.unique(owners)
    means = np.stack([train[owners == name].mean(axis=0) for name in names])
    within = train - means[np.searchsorted(names, owners)]
    covariance = within.T @ within / max(len(train) - len(names), 1)
    covariance = 0.5 * covariance + 0.5 * np.diag(np.diag(covariance)) + 1e-3 * np.eye(len(covariance))
    weights = np.linalg.solve(covariance, means.T)
    return names[(test @ weights - 0.5 * (means.T * weights).sum(axis=0)).argmax(axis=1)]


def logistic(train: Array, owners: Array, test: Array) -> Array:
    """Multinomial logistic regression with a ridge."""
    names = np.unique(owners)
    return names[scores(train, owners, test).argmax(axis=1)]


def scores(train: Array, owners: Array, test: Array) -> Array:
    """Logits (n, k) of the regression."""
    train, test = standardised(train, test)
    names, codes = np.unique(owners, return_inverse=True)
    train, test = (np.hstack([rows, np.ones((len(rows), 1))]) for rows in (train, test))
    hot = np.eye(len(names))[codes]
    balance = (len(codes) / len(names) / hot.sum(axis=0))[codes]
    columns = train.shape[1]

    def loss(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(columns, len(names))
        logits = train @ weights
        logits -= logits.max(axis=1, keepdims=True)
        shares = np.exp(logits)
        shares /= shares.sum(axis=1, keepdims=True)
        value = -(balance * np.log(shares[np.arange(len(codes)), codes] + 1e-12)).sum()
        gradient = train.T @ (balance[:, None] * (shares - hot))
        return float(value + RIDGE / 2 * (weights[:-1] ** 2).sum()), (
            gradient + RIDGE * np.vstack([weights[:-1], np.zeros(len(names))])
        ).ravel()

    fitted = minimize(loss, np.zeros(columns * len(names)), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return test @ fitted.x.reshape(columns, len(names))


def warped(train: list[Array], owners: Array, test: list[Array]) -> Array:
    """The owner of the sequence that dynamic time warping (Sakoe and Chiba 1978) brings nearest; band of a fifth."""
    everything = np.concatenate(train)
    middle, spread = everything.mean(axis=0), everything.std(axis=0)
    spread[spread < 1e-9] = 1
    gallery = [(rows - middle) / spread for rows in train]
    found = []
    for rows in test:
        probe = (rows - middle) / spread
        found.append(owners[int(np.argmin([_warping(probe, each) for each in gallery]))])
    return np.array(found)


def _warping(one: Array, other: Array) -> float:
    costs = np.sqrt(((one[:, None] - other[None]) ** 2).sum(axis=2))
    rows, columns = costs.shape
    band = max(rows, columns) // 5 + 1
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0
    for row in range(1, rows + 1):
        for column in range(max(1, row - band), min(columns, row + band) + 1):
            best = min(total[row - 1, column], total[row, column - 1], total[row - 1, column - 1])
            total[row, column] = costs[row - 1, column - 1] + best
    return float(total[-1, -1]) / (rows + columns)


def interval(hits: Array, owners: Array, seed: int = 1, rounds: int = 2000) -> tuple[float, float]:
    """95 % of the mean of `hits`, by bootstrap over the people."""
    lot = np.random.default_rng(seed)
    names = np.unique(owners)
    sums = np.array([[hits[owners == name].sum(), (owners == name).sum()] for name in names])
    drawn = sums[lot.integers(len(names), size=(rounds, len(names)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return round(float(low), 3), round(float(high), 3)


def advantage(rows: Array, labels: Array, folds: int = 5, seed: int = 1) -> tuple[float, tuple[float, float]]:
    """Balanced accuracy - 1/2 of a logistic probe on people it has not seen (a row for each), and 95 % by bootstrap."""
    lot = np.random.default_rng(seed)
    part = lot.permutation(len(rows)) % folds
    guessed = np.empty(len(rows), bool)
    for fold in range(folds):
        out = part == fold
        logits = scores(rows[~out], labels[~out], rows[out])
        guessed[out] = logits[:, 1] > logits[:, 0]
    drawn = [_balanced(guessed, labels, lot.integers(len(rows), size=len(rows))) for _ in range(1000)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return _balanced(guessed, labels, np.arange(len(rows))) - 0.5, (
        round(float(low) - 0.5, 3),
        round(float(high) - 0.5, 3),
    )


def _balanced(guessed: Array, labels: Array, chosen: Array) -> float:
    guessed, labels = guessed[chosen], labels[chosen]
    rates = [
        float((guessed[labels == kind] == kind).mean()) if (labels == kind).any() else np.nan for kind in (True, False)
    ]
    return float(np.mean(rates))
