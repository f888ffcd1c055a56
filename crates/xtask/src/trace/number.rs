//! What can be cited, and how it is written: in a document, in a comment, in the name of a test.

use std::fmt;

/// A list of numbered statements in `docs/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Guarantee,
    Safety,
    Liveness,
    Failure,
    Bug,
    Fact,
    Hole,
    Rule,
}

/// One numbered statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number {
    pub(crate) family: Family,
    pub(crate) n: u16,
}

/// How comments and documents write a number, and how the name of a test does.
const WRITTEN: &[(Family, &str, &str)] = &[
    (Family::Failure, "failure ", "failure_"),
    (Family::Hole, "hole ", "hole_"),
    (Family::Rule, "design rule ", "rule_"),
    (Family::Guarantee, "G", "g"),
    (Family::Safety, "S", "s"),
    (Family::Liveness, "L", "l"),
    (Family::Bug, "B", "b"),
    (Family::Fact, "F", "f"),
];

impl Number {
    pub(crate) fn new(family: Family, n: u16) -> Self {
        Self { family, n }
    }

    /// The number with which a text begins, and what follows it.
    pub(crate) fn at_start(text: &str) -> Option<(Self, &str)> {
        WRITTEN
            .iter()
            .find_map(|&(family, sign, _)| Self::after(family, text.strip_prefix(sign)?))
    }

    /// The numbers at the front of a test's name: `g6_hole_7_a_late_take` has two.
    pub(crate) fn of_test(name: &str) -> Vec<Self> {
        let mut numbers = Vec::new();
        let mut rest = name;
        while let Some((number, after)) = Self::before_underscore(rest) {
            numbers.push(number);
            rest = after;
        }
        numbers
    }

    fn before_underscore(name: &str) -> Option<(Self, &str)> {
        WRITTEN.iter().find_map(|&(family, _, sign)| {
            let (number, rest) = Self::after(family, name.strip_prefix(sign)?)?;
            Some((number, rest.strip_prefix('_')?))
        })
    }

    fn after(family: Family, text: &str) -> Option<(Self, &str)> {
        let end = text.find(|c: char| !c.is_ascii_digit());
        let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
        let n = digits.parse().ok().filter(|&n| n > 0)?;
        Some((Self { family, n }, rest))
    }

    /// The numbers that one line of comment cites: those at the front of a parenthesis, as in `(G6, hole 7)`.
    pub(crate) fn cited(comment: &str) -> Vec<Self> {
        let mut numbers = Vec::new();
        for opened in comment.split('(').skip(1) {
            let mut list = Vec::new();
            let mut rest = opened;
            while let Some((number, after)) = Self::at_start(rest) {
                list.push(number);
                rest = after.strip_prefix(", ").unwrap_or(after);
            }
            if rest.starts_with([')', ':', ';']) {
                numbers.extend(list);
            }
        }
        numbers
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = WRITTEN.iter().find(|(family, ..)| *family == self.family);
        write!(f, "{}{}", written.map_or("", |(_, sign, _)| sign), self.n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(numbers: &[Number]) -> Vec<String> {
        numbers.iter().map(Number::to_string).collect()
    }

    #[test]
    fn a_test_cites_with_the_beginning_of_its_name() {
        assert_eq!(shown(&Number::of_test("g6_nothing_comes_twice")), ["G6"]);
        assert_eq!(
            shown(&Number::of_test("s5_failure_12_hole_7_a_late_take")),
            ["S5", "failure 12", "hole 7"]
        );
        assert_eq!(shown(&Number::of_test("f17_pages")), ["F17"]);
        for name in [
            "going_on",
            "sixty_shards",
            "g6",
            "b0_x",
            "failures_come",
            "l_x",
        ] {
            assert!(Number::of_test(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn a_comment_cites_at_the_front_of_a_parenthesis() {
        let comment = "/// Never twice (G6, failure 12), and not so soon (S11: the margin) (F17)";
        assert_eq!(
            shown(&Number::cited(comment)),
            ["G6", "failure 12", "S11", "F17"]
        );
        for comment in [
            "stored in S3",
            "as G6 says",
            "(as in G6)",
            "(S3 buckets)",
            "f(S)",
        ] {
            assert!(Number::cited(comment).is_empty(), "{comment}");
        }
    }
}
