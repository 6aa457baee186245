//! Series of any name, for what needs no catalogue.

use super::{Fault, Format, Reader};
use headroom_model::Timestamp;
use std::{collections::BTreeMap, io::Read};

/// Points of all series together, at most.
pub const POINTS_MAX: usize = 5_000_000;
/// Series at most.
pub const SERIES_MAX: usize = 1_000;

/// All series of a file by name (with labels, where it has some), each in order of time; of two points at one moment the
/// later line counts. What was not measured is absent.
///
/// # Errors
/// The file cannot be read (line 0), a line cannot be read, or there is more than is allowed.
pub fn read_series(
    mut file: impl Read,
    format: Option<Format>,
) -> Result<BTreeMap<String, Vec<(Timestamp, f64)>>, Fault> {
    let mut all: BTreeMap<String, BTreeMap<Timestamp, f64>> = BTreeMap::new();
    let mut points = 0_usize;
    let mut reader = Reader::new(format);
    let mut take = |entry: super::Entry<'_>| {
        points += 1;
        if points > POINTS_MAX {
            return Err(format!("more than {POINTS_MAX} points"));
        }
        if !all.contains_key(entry.series) {
            if all.len() == SERIES_MAX {
                return Err(format!("more than {SERIES_MAX} series"));
            }
            all.insert(entry.series.to_owned(), BTreeMap::new());
        }
        if let Some(series) = all.get_mut(entry.series) {
            series.insert(entry.at, entry.tally.mean());
        }
        Ok(())
    };
    let mut piece = vec![0; 64 * 1024];
    loop {
        let length = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault { line: reader.lines(), reason: format!("cannot be read on: {error}") }),
        };
        reader.feed(&piece[..length], &mut take)?;
    }
    reader.finish(&mut take)?;
    Ok(all.into_iter().map(|(name, points)| (name, points.into_iter().collect())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_catalogue_and_points_are_in_order() {
        let text = "time,orders,visits\n1795098780,2,\n1795098720,1,7\n1795098780,3,\n";
        let all = read_series(text.as_bytes(), None).unwrap();
        let at = |seconds: i64| Timestamp(seconds * 1000);
        assert_eq!(all["orders"], [(at(1_795_098_720), 1.0), (at(1_795_098_780), 3.0)]);
        assert_eq!(all["visits"], [(at(1_795_098_720), 7.0)]);
        assert_eq!(read_series("time,a\n1795098720,x".as_bytes(), None).unwrap_err().line, 2);
    }
}
