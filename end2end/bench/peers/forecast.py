"""statsforecast over the cases of `forecast_truth`: MSTL with AutoETS, of hours and of days.

    python forecast.py cases.ndjson        one JSON line a case on standard output

Of hours: seasons of 24 and 168 hours; its forecast becomes days by their mean. Of days: a season of 7 days where there are
two weeks, else AutoETS alone. The date is when the forecast of a day reaches the limit, in proportion between days. Times are
of the processor, after one fit that compiles. Intervals: those of the model of days.
"""

import json
import sys
import time
import warnings

import numpy as np
from statsforecast.models import MSTL, AutoETS

warnings.filterwarnings("ignore")


def model(periods):
    trend = AutoETS(model="ZZN")
    return MSTL(season_length=periods, trend_forecaster=trend) if periods else trend


def look_ahead(series, periods, steps, level=None):
    began = time.process_time()
    found = model(periods).forecast(y=np.asarray(series, dtype=np.float64), h=steps, level=level)
    return found, time.process_time() - began


def passage(limit, days):
    before = None
    for h, value in enumerate(days):
        if value >= limit:
            part = 1.0 if before is None else (limit - before) / (value - before)
            return max(h - 0.5 + part, 0.0)
        before = value
    return None


def judged(case, days, seconds, low=None, high=None):
    came = np.asarray(case["came"])
    n = len(came)
    answer = {
        "days": passage(case["limit"], days),
        "mase": float(np.mean(np.abs(came - days[:n])) / case["scale"]),
        "seconds": seconds,
    }
    if low is not None:
        answer["covered"] = float(np.mean((low[:n] <= came) & (came <= high[:n])))
    return answer


def measure(case):
    horizon = case["horizonDays"]
    hours = case["hours"]
    days = np.asarray(hours).reshape(-1, 24).mean(axis=1)
    answer = {"scenario": case["scenario"], "seed": case["seed"]}
    seasons = [24, 168] if len(hours) >= 2 * 168 else [24]
    found, seconds = look_ahead(hours, seasons, horizon * 24)
    answer["hours"] = judged(case, found["mean"].reshape(-1, 24).mean(axis=1), seconds)
    found, seconds = look_ahead(days, [7] if len(days) >= 14 else [], horizon, level=[90])
    answer["days"] = judged(case, found["mean"], seconds, found["lo-90"], found["hi-90"])
    return answer


def main(path):
    with open(path, encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    # Its numerical parts are compiled on first use.
    measure(cases[0])
    for case in cases:
        print(json.dumps(measure(case)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
