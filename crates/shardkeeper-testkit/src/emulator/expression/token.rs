//! The lexer, one for all five languages.

use std::ops::Range;

use super::Kind;
use crate::emulator::value::Invalid;

/// DynamoDB's bound on the text of one expression.
const MAX_EXPRESSION_BYTES: usize = 4096;

/// One word of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword, function or bare attribute name.
    Word(String),
    /// `#name`, sigil included.
    Name(String),
    /// `:value`, sigil included.
    Value(String),
    /// An integer: only ever a list index. `None` when it exceeds what an index can be.
    Index(Option<usize>),
    /// Punctuation and comparators.
    Symbol(&'static str),
}

impl Token {
    /// Whether this is `keyword`, in any case.
    pub(super) fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// A token and where it stands in the text.
#[derive(Clone, Debug)]
pub(super) struct Spanned {
    pub(super) token: Token,
    pub(super) span: Range<usize>,
}

// Longer symbols first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 14] = [
    "<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", ".", "+", "-",
];

/// Splits an expression into tokens.
pub(super) fn tokenize(kind: Kind, text: &str) -> Result<Vec<Spanned>, Invalid> {
    if text.len() > MAX_EXPRESSION_BYTES {
        return Err(Invalid(format!(
            "Invalid {}: Expression size has exceeded the maximum allowed size; expression size: {}",
            kind.member(),
            text.len()
        )));
    }
    if text.trim().is_empty() {
        return Err(Invalid(format!(
            "Invalid {}: The expression can not be empty;",
            kind.member()
        )));
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        if next.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let (token, length) = read(&text[at..], next).ok_or_else(|| {
            let near_end = text[at..]
                .char_indices()
                .nth(8)
                .map_or(text.len(), |(offset, _)| at + offset);
            Invalid(format!(
                "Invalid {}: Syntax error; token: \"{next}\", near: \"{}\"",
                kind.member(),
                &text[at..near_end]
            ))
        })?;
        tokens.push(Spanned {
            token,
            span: at..at + length,
        });
        at += length;
    }
    Ok(tokens)
}

/// The token at the start of `rest` and its length in bytes. Every token is ASCII, so lengths are char boundaries.
fn read(rest: &str, first: char) -> Option<(Token, usize)> {
    let run = |from: usize, accept: fn(u8) -> bool| {
        from + rest.as_bytes()[from..]
            .iter()
            .take_while(|&&b| accept(b))
            .count()
    };
    let word_byte = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    match first {
        '#' | ':' => {
            let end = run(1, word_byte);
            let text = rest[..end].to_owned();
            let token = if first == '#' {
                Token::Name(text)
            } else {
                Token::Value(text)
            };
            (end > 1).then_some((token, end))
        }
        'a'..='z' | 'A'..='Z' => {
            let end = run(0, word_byte);
            Some((Token::Word(rest[..end].to_owned()), end))
        }
        '0'..='9' => {
            let end = run(0, |b| b.is_ascii_digit());
            // `123a` is no index and no name.
            let ends = !rest.as_bytes().get(end).is_some_and(|&b| word_byte(b));
            ends.then(|| (Token::Index(rest[..end].parse().ok()), end))
        }
        _ => SYMBOLS
            .iter()
            .find(|symbol| rest.starts_with(**symbol))
            .map(|symbol| (Token::Symbol(symbol), symbol.len())),
    }
}
