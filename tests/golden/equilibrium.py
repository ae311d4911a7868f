"""Golden values for the equilibrium module.

Made with Python 3.11, numpy 2.4.6, scipy 1.17.1, statsmodels 0.15.0,
pymbar 4.0.3, arviz 0.23.4, red-molsim 0.2.0:

    pip install numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0 \
        pymbar==4.0.3 arviz==0.23.4 red-molsim==0.2.0
    python equilibrium.py > equilibrium.json

The series are sums of integers from a linear congruential generator passed through a first-order
recursion, so that any language rebuilds them to rounding from the four numbers stored with each.
Tolerance 1e-8 relative: every number is a short chain of sums and a normal or beta quantile.
pymbar keeps g and N_eff of its detection in single precision, so those two are recomputed here in
double at the start it found.
"""
import json
import warnings

import arviz
import numpy as np
import red
import scipy.stats
from pymbar import timeseries
from statsmodels.stats.diagnostic import lilliefors
from statsmodels.tsa.stattools import acovf, kpss

warnings.filterwarnings("ignore")
# Its numba branch does not run with this numpy; both branches compute the same.
arviz.Numba.disable_numba()


def series(seed, rho, n, transient):
    """x' = rho x + u with u uniform in [-1/2, 1/2), plus transient * exp(-t/50)."""
    state, x, out = seed, 0.0, []
    for t in range(n):
        state = (6364136223846793005 * state + 1442695040888963407) % 2**64
        x = rho * x + (state >> 11) / 2.0**53 - 0.5
        out.append(x + transient * np.exp(-t / 50.0))
    return np.array(out)


out = {"series": []}
for seed, rho, n, transient in [
    (1, 0.0, 400, 0.0),
    (2, 0.5, 601, 3.0),
    (3, 0.9, 1000, 20.0),
    (4, 0.97, 1500, 0.0),
    (5, -0.6, 300, 1.0),
]:
    x = series(seed, rho, n, transient)
    e = {"seed": seed, "rho": rho, "n": n, "transient": transient}
    e["autocovariance"] = acovf(x, adjusted=False, fft=False, nlag=5).tolist()
    e["g"] = timeseries.statistical_inefficiency(x)
    e["g_fast"] = timeseries.statistical_inefficiency(x, fast=True)
    e["subsample"] = [int(i) for i in timeseries.subsample_correlated_data(x, g=2.7)[:20]]
    for name, fast in [("every", False), ("sparse", True)]:
        t0, _, _ = timeseries.detect_equilibration(x, fast=fast)
        g = timeseries.statistical_inefficiency(x[t0:], fast=fast)
        e["detect_" + name] = [int(t0), float(g), float((n - t0 + 1) / g)]
    for rule in ["initial_positive", "initial_monotone", "initial_convex"]:
        v, _, _ = red.variance.get_variance_initial_sequence(x, sequence_estimator=rule)
        e["red_g_" + rule] = v / x.var()
        for method in ["min_sse", "max_ess"]:
            r = red.equilibration.detect_equilibration_init_seq(
                x, sequence_estimator=rule, method=method
            )
            e[f"red_{rule}_{method}"] = [int(r[0]), float(r[1]), float(r[2])]
    for method in ["min_sse", "max_ess"]:
        r = red.equilibration.detect_equilibration_window(x, method=method)
        e["red_window_" + method] = [int(r[0]), float(r[1]), float(r[2])]
        r = red.equilibration.detect_equilibration_window(
            x, method=method, window_size_fn=None, window_size=25
        )
        e["red_window25_" + method] = [int(r[0]), float(r[1]), float(r[2])]
    z = x / x.std()
    e["lilliefors"] = float(lilliefors(z, dist="norm", pvalmethod="approx")[0])
    e["ks"] = [float(v) for v in scipy.stats.kstest(z, "norm", mode="asymp")]
    e["kpss_12"] = float(kpss(x, regression="c", nlags=12)[0])
    e["kendall"] = float(scipy.stats.kendalltau(np.arange(n), x)[0])
    out["series"].append(e)

out["replicas"] = []
for seeds, rho, n, transient in [
    ([11, 12, 13, 14], 0.6, 500, 0.0),
    ([21, 22], 0.9, 401, 2.0),
    ([31], 0.3, 250, 0.0),
    ([41, 42, 43], -0.4, 100, 0.0),
]:
    a = np.array([series(s, rho, n, transient) for s in seeds])
    e = {"seeds": seeds, "rho": rho, "n": n, "transient": transient}
    e["ess_bulk"] = float(arviz.ess(a, method="bulk"))
    e["ess_tail"] = float(arviz.ess(a, method="tail"))
    e["ess_mean"] = float(arviz.ess(a, method="mean"))
    e["ess_quantile_30"] = float(arviz.ess(a, method="quantile", prob=0.3))
    e["mcse_mean"] = float(np.ravel(arviz.mcse(a, method="mean"))[0])
    e["mcse_sd"] = float(np.ravel(arviz.mcse(a, method="sd"))[0])
    e["mcse_quantile_30"] = float(np.ravel(arviz.mcse(a, method="quantile", prob=0.3))[0])
    if len(seeds) > 1:
        e["rhat_split"] = float(arviz.rhat(a, method="split"))
        e["rhat_z_scale"] = float(arviz.rhat(a, method="z_scale"))
        e["rhat_folded"] = float(arviz.rhat(a, method="folded"))
        e["rhat_rank"] = float(arviz.rhat(a, method="rank"))
    e["g_multiple"] = float(timeseries.statistical_inefficiency_multiple(list(a)))
    v, _, _ = red.variance.get_variance_initial_sequence(a, min_max_lag_time=0)
    e["red_g_convex"] = float(v / a.var())
    r = red.equilibration.detect_equilibration_init_seq(a)
    e["red_detect"] = [int(r[0]), float(r[1]), float(r[2])]
    out["replicas"].append(e)

out["kolmogorov_sf"] = [[x, float(scipy.stats.kstwobign.sf(x))] for x in [0.3, 0.5, 0.8, 1.2, 2.0]]
out["welch"] = None
groups = [series(50 + k, 0.0, 30 + 5 * k, 0.0) * (1 + k) + 0.05 * k for k in range(4)]
from statsmodels.stats.oneway import anova_oneway

w = anova_oneway(groups, use_var="unequal", welch_correction=True)
out["welch"] = {"statistic": float(w.statistic), "df": [float(v) for v in w.df], "p": float(w.pvalue)}
print(json.dumps(out, indent=1))
