//! Words that an expression may not use as a bare attribute name: the real service refuses them, so a test must too.

const WORDS: &str = include_str!("reserved_words.txt");

/// Whether `word` is reserved, in any case.
pub(super) fn is_reserved(word: &str) -> bool {
    WORDS
        .split_ascii_whitespace()
        .any(|reserved| reserved.eq_ignore_ascii_case(word))
}
