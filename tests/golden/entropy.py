"""Reference values for the module `entropy`, from numpy, scipy, scikit-learn and mpmath.

    python entropy.py > entropy.json        (numpy 2.4, scipy 1.17, scikit-learn 1.9, mpmath 1.3)

Clouds are small, so that they can be stored with every digit; the estimators are written out here
from their formulas, brute force, without a line in common with the crate.
"""
import json

import mpmath as mp
import numpy as np
from scipy.special import betainc, digamma, gammaln
from sklearn.covariance import ledoit_wolf_shrinkage

rng = np.random.default_rng(20251)


def distances(x):
    return np.sqrt(((x[:, None, :] - x[None, :, :]) ** 2).sum(-1))


def kth(x, k):
    return np.sort(distances(x), axis=1)[:, k]


def kl(x, k):
    n, d = x.shape
    ball = d / 2 * np.log(np.pi) - gammaln(d / 2 + 1)
    return digamma(n) - digamma(k) + ball + d * np.log(kth(x, k)).mean()


def cap(x, k):
    n, d = x.shape
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    theta = 2 * np.arcsin(np.clip(kth(u, k) / 2, 0, 1))
    area = np.log(2) + d / 2 * np.log(np.pi) - gammaln(d / 2)
    half = betainc((d - 1) / 2, 0.5, np.sin(theta) ** 2) / 2
    part = np.where(theta <= np.pi / 2, half, 1 - half)
    return digamma(n) - digamma(k) + area + np.log(part).mean()


def angles(x):
    n, d = x.shape
    phi = np.empty((n, d - 1))
    for m in range(d - 2):
        phi[:, m] = np.arctan2(np.linalg.norm(x[:, m + 1:], axis=1), x[:, m])
    phi[:, -1] = np.arctan2(x[:, -1], x[:, -2])
    jacobian = sum((d - 2 - m) * np.log(np.maximum(np.sin(phi[:, m]), 1e-8)) for m in range(d - 2))
    dim = d - 1
    ball = dim / 2 * np.log(np.pi) - gammaln(dim / 2 + 1)
    eps = np.maximum(kth(phi, 1), 1e-8)
    return np.log(n - 1) + np.euler_gamma + ball + dim * np.log(eps).mean() + np.mean(jacobian)


def graph(x, k, gamma):
    n, d = x.shape
    length = (np.sort(distances(x), axis=1)[:, 1:k + 1] ** gamma).sum()
    return d / gamma * (np.log(length) - (1 - gamma / d) * np.log(n))


def gaussian(x):
    n, d = x.shape
    logdet = np.linalg.slogdet(np.cov(x.T).reshape(d, d))[1]
    bias = sum(digamma((n - 1 - i) / 2) for i in range(d)) + d * np.log(2 / (n - 1))
    return 0.5 * (d * np.log(2 * np.pi * np.e) + logdet - bias)


def shrunk(x):
    n, d = x.shape
    rho = ledoit_wolf_shrinkage(x)
    s = np.cov(x.T, bias=True).reshape(d, d)
    c = (1 - rho) * s + rho * np.trace(s) / d * np.eye(d)
    return rho, 0.5 * (d * np.log(2 * np.pi * np.e) + np.linalg.slogdet(c)[1])


def resolution(x, delta):
    d = x.shape[1]
    c = np.cov(x.T).reshape(d, d)
    return 0.5 * np.linalg.slogdet(np.eye(d) + 2 * np.pi * np.e * c / delta**2)[1]


clouds = []
for n, d in [(12, 2), (24, 3), (30, 10), (12, 25)]:
    x = rng.normal(size=(n, d)) * np.geomspace(1, 0.2, d) + 0.3
    rho, lw = shrunk(x)
    ev = np.linalg.eigvalsh(np.cov(x.T))
    clouds.append({
        "dimension": d,
        "rows": x.ravel().tolist(),
        "kozachenko_leonenko": {str(k): kl(x, k) for k in (1, 3)},
        "geodesic_cap": {str(k): cap(x, k) for k in (1, 3)},
        "hyperspherical_angles": angles(x),
        "graph_length": {"2": graph(x, 2, 1.0), "gamma_half": graph(x, 2, 0.5)},
        "gaussian": gaussian(x) if n > d else None,
        "shrinkage": rho,
        "ledoit_wolf": lw,
        "resolution": resolution(x, 0.7),
        "participation_ratio": ev.sum() ** 2 / (ev**2).sum(),
    })

mp.mp.dps = 50


def vmf(d, kappa):
    """A_d, S and C_V at 50 digits."""
    d, k = mp.mpf(d), mp.mpf(kappa)
    i0, i1 = mp.besseli(d / 2 - 1, k), mp.besseli(d / 2, k)
    a = i1 / i0
    ln_c = (d / 2 - 1) * mp.log(k) - d / 2 * mp.log(2 * mp.pi) - mp.log(i0)
    return [float(v) for v in (a, -ln_c - k * a, k**2 * (1 - a**2 - (d - 1) * a / k), 1 - a**2)]


von_mises_fisher = [
    {"dimension": d, "kappa": k, "values": vmf(d, k)}
    for d, k in [(2, 1), (2, 0.01), (3, 10), (3, 1e4), (10, 5), (10, 100), (30, 30), (100, 100), (100, 1e4),
                 (100, 1e-3), (1000, 500), (1000, 1e6), (10, 1e8), (2, 1e8)]
]

caps = []
for d in (2, 3, 10, 101, 1000):
    for theta in (1e-4, 0.3, 1.2, 1.5707, 1.6, 2.5):
        # Integral of sin^(d-2) in closed form, through the Gauss hypergeometric function.
        t = mp.mpf(theta)
        half = mp.betainc(mp.mpf(d - 1) / 2, 0.5, 0, mp.sin(t) ** 2, regularized=True) / 2
        part = half if t <= mp.pi / 2 else 1 - half
        area = mp.log(2) + mp.mpf(d) / 2 * mp.log(mp.pi) - mp.loggamma(mp.mpf(d) / 2)
        caps.append([d, theta, float(area + mp.log(part))])

print(json.dumps({"clouds": clouds, "von_mises_fisher": von_mises_fisher, "caps": caps}, indent=1))
