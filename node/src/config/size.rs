//! A number of bytes as people write it: `"20 GiB"`, `"500 MB"`.

use std::str::FromStr;

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a number of bytes with its unit, like \"20 GiB\" or \"500 MB\"";
        let (number, unit) =
            UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit))).ok_or(wrong)?;
        let number: u64 = number.trim_end().parse().map_err(|_| wrong)?;
        number.checked_mul(*unit).map(Self).ok_or("more bytes than can be counted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit_and_nothing_else_is() {
        for (text, bytes) in [("20 GiB", 20 << 30), ("500MB", 500_000_000), ("0 B", 0), ("1 KiB", 1024)] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["20", "GiB", "-1 GB", "1.5 GB", "20 gib", "20 GiB ", "99999999999 TiB", ""] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
