//! Where the slope changed last. A figure that began to grow faster two months ago will not go back to the slope of its
//! whole past.
//!
//! A continuous line with one knot is fitted by least squares for every day the knot may lie on; the best is a bend when it
//! explains enough (an F test against the straight line, after Andrews 1993). Then the part after it is looked at again.

/// Days on either side of a bend that are needed to see it.
pub const SIDE_MIN: usize = 12;
/// F above which a knot is a bend. Far above the table's 1 %: the best of many knots is compared, and days depend on each
/// other.
const F_MIN: f64 = 30.0;
/// The most bends followed.
const BENDS_MAX: usize = 8;

/// The day of the last change of slope; 0 when there is none. `days` have their seasons taken out.
pub fn last_bend(days: &[Option<f64>]) -> usize {
    let mut from = 0;
    for _ in 0..BENDS_MAX {
        match knot(&days[from..]) {
            Some(at) => from += at,
            None => break,
        }
    }
    from
}

/// The day of the best knot, if it is a bend.
fn knot(days: &[Option<f64>]) -> Option<usize> {
    let points: Vec<(f64, f64)> =
        days.iter().enumerate().filter_map(|(i, value)| Some((i as f64, (*value)?))).collect();
    let count = points.len();
    if count < 2 * SIDE_MIN {
        return None;
    }
    // Residuals of the straight line; the knot's regressor is made orthogonal to that line, so that each knot costs one pass.
    let centre = points.iter().map(|it| it.0).sum::<f64>() / count as f64;
    let level = points.iter().map(|it| it.1).sum::<f64>() / count as f64;
    let along: f64 = points.iter().map(|it| (it.0 - centre).powi(2)).sum();
    let slope = points.iter().map(|it| (it.0 - centre) * (it.1 - level)).sum::<f64>() / along;
    let rest: Vec<(f64, f64)> =
        points.iter().map(|it| (it.0 - centre, it.1 - level - slope * (it.0 - centre))).collect();
    let straight: f64 = rest.iter().map(|it| it.1 * it.1).sum();
    let gain = |at: f64| {
        let (mut sum, mut cross, mut square, mut explained) = (0.0, 0.0, 0.0, 0.0);
        for (x, y) in &rest {
            let hinge = (x - at).max(0.0);
            sum += hinge;
            cross += hinge * x;
            square += hinge * hinge;
            explained += hinge * y;
        }
        let own = square - sum * sum / count as f64 - cross * cross / along;
        if own > 0.0 { explained * explained / own } else { 0.0 }
    };
    let (at, gained) = points[SIDE_MIN..count - SIDE_MIN]
        .iter()
        .map(|(x, _)| (*x, gain(x - centre)))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    let bent = straight - gained;
    let noise = bent.max(1e-12 * straight) / (count - 4) as f64;
    (gained > F_MIN * noise && gained > 0.0).then_some(at as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: usize) -> f64 {
        (i * i * 7919 % 101) as f64 / 50.0 - 1.0
    }

    #[test]
    fn a_change_of_slope_is_found() {
        let days: Vec<_> =
            (0..180_usize).map(|i| Some(i as f64 + 2.0 * i.saturating_sub(120) as f64 + noise(i))).collect();
        let found = last_bend(&days);
        assert!(found.abs_diff(120) <= 3, "{found}");
    }

    #[test]
    fn the_last_of_two_counts() {
        let slope = |i: usize| 3.0 * i.min(80) as f64 + 2.0 * i.saturating_sub(150) as f64;
        let days: Vec<_> = (0..240).map(|i| Some(slope(i) + noise(i))).collect();
        let found = last_bend(&days);
        assert!(found.abs_diff(150) <= 6, "{found}");
    }

    #[test]
    fn a_straight_line_has_none() {
        for count in [0, 5, 30, 180] {
            assert_eq!(last_bend(&(0..count).map(|i| Some(2.0 * i as f64 + noise(i))).collect::<Vec<_>>()), 0);
            assert_eq!(last_bend(&(0..count).map(|i| Some(2.0 * i as f64)).collect::<Vec<_>>()), 0);
        }
    }
}
