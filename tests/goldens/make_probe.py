#!/usr/bin/python3
"""What scikit-learn makes of some vectors: a logistic regression, nearest neighbours, accuracies.

  make_probe.py       rewrite tests/goldens/probe/*.npy (needs python3-sklearn)

train.npy, test.npy: [n, E + 1], the last column is the label. regression.npy: for lambda 0.1, 1 and 100 a block [K, E + 1] of
weights and intercepts. loss.npy: their losses. neighbours.npy: predictions for test.npy by the 5 nearest in cosine, one vote each
(drawn votes are avoided). accuracy.npy: accuracy and balanced accuracy of the regression with lambda 1 on test.npy,
confusion.npy: [K, K], rows the truth. precision.npy: for each of test.npy the average precision of train.npy in the order of the dot
products, those of its label being right."""
import os

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, average_precision_score, balanced_accuracy_score, confusion_matrix
from sklearn.neighbors import KNeighborsClassifier

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe")
K, E = 3, 6
LAMBDAS = (0.1, 1, 100)


def draw(rng, n):
    labels = rng.integers(0, K, n)
    x = rng.normal(size=(n, E)) + 1.5 * np.eye(K, E)[labels]
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), labels


def main():
    rng = np.random.default_rng(7)
    x, y = draw(rng, 120)
    held, truth = draw(rng, 200)
    fits, losses = [], []
    for strength in LAMBDAS:
        fit = LogisticRegression(C=1 / strength, tol=1e-10, max_iter=10000).fit(x, y)
        fits.append(np.concatenate([fit.coef_, fit.intercept_[:, None]], axis=1))
        chosen = fit.predict_log_proba(x)[np.arange(len(y)), y]
        losses.append(-chosen.sum() + strength / 2 * (fit.coef_ ** 2).sum())
    near = KNeighborsClassifier(5, metric="cosine", algorithm="brute").fit(x, y)
    votes = np.sort(near.predict_proba(held), axis=1)
    clear = votes[:, -1] > votes[:, -2] + 1e-9
    held, truth = held[clear], truth[clear]
    guess = LogisticRegression(C=1, tol=1e-10, max_iter=10000).fit(x, y).predict(held)
    accuracy = [accuracy_score(truth, guess), balanced_accuracy_score(truth, guess)]
    precision = [average_precision_score(y == label, x @ query) for query, label in zip(held, truth)]
    for name, array in (("train", np.column_stack([x, y])), ("test", np.column_stack([held, truth])),
                        ("regression", np.stack(fits)), ("loss", losses), ("neighbours", near.predict(held)),
                        ("accuracy", accuracy), ("confusion", confusion_matrix(truth, guess)), ("precision", precision)):
        np.save(os.path.join(HERE, name + ".npy"), np.asarray(array, np.float32))


if __name__ == "__main__":
    main()
