//! Reading Rust sources without a compiler: which characters are code, and which only talk about it.

/// A source text with comments blanked out and the insides of string and character literals replaced by `_`.
/// Lines stay where they are.
pub(crate) fn code_only(source: &str) -> String {
    let mut scanner = Scanner {
        rest: source,
        code: String::with_capacity(source.len()),
    };
    while !scanner.rest.is_empty() {
        scanner.step();
    }
    scanner.code
}

/// Lines that hold code. Unit tests at the end of a file are not counted.
pub(crate) fn code_lines(code: &str) -> usize {
    let end = code.find("#[cfg(test)]\nmod ").unwrap_or(code.len());
    code[..end]
        .lines()
        .filter(|line| !line.trim().is_empty())
        .count()
}

/// The other half of [`code_only`]: only the comments of `source`, everything else blank, lines in their places.
pub(crate) fn comments_only(source: &str, code: &str) -> String {
    let pairs = source.chars().zip(code.chars());
    pairs
        .map(|(written, code)| match code {
            '\n' => '\n',
            ' ' => written,
            _ => ' ',
        })
        .collect()
}

/// Comments and literals begin with one of these; all else is copied in one go.
const MAY_BEGIN_SOMETHING: [char; 6] = ['/', '"', '\'', 'r', 'b', 'c'];

struct Scanner<'a> {
    rest: &'a str,
    code: String,
}

impl Scanner<'_> {
    fn step(&mut self) {
        let in_word = self
            .code
            .ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if self.rest.starts_with("//") {
            let length = self.rest.find('\n').unwrap_or(self.rest.len());
            self.hide(length, ' ');
        } else if self.rest.starts_with("/*") {
            self.hide(block_comment(self.rest), ' ');
        } else if let Some(length) = raw_string(self.rest).filter(|_| !in_word) {
            self.hide(length, '_');
        } else if self.rest.starts_with('"') {
            self.hide(quoted(self.rest, '"'), '_');
        } else if let Some(length) = character(self.rest) {
            self.hide(length, '_');
        } else {
            let first = self.rest.chars().next().map_or(0, char::len_utf8);
            let plain = self.rest[first..].find(MAY_BEGIN_SOMETHING);
            let length = plain.map_or(self.rest.len(), |plain| first + plain);
            self.code.push_str(&self.rest[..length]);
            self.rest = &self.rest[length..];
        }
    }

    fn hide(&mut self, length: usize, with: char) {
        let hidden = self.rest[..length].chars();
        self.code
            .extend(hidden.map(|c| if c == '\n' { '\n' } else { with }));
        self.rest = &self.rest[length..];
    }
}

/// The length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(found) = text[at..].find(['/', '*']) {
        at += found;
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of `r"..."`, `r#"..."#`, `br"..."` and their like.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| {
        let after = text.strip_prefix(prefix);
        after.is_some_and(|after| after.trim_start_matches('#').starts_with('"'))
    })?;
    let hashes = text[prefix.len()..]
        .bytes()
        .take_while(|&byte| byte == b'#')
        .count();
    let start = prefix.len() + hashes + 1;
    let closing = format!("\"{}", "#".repeat(hashes));
    Some(
        text[start..]
            .find(&closing)
            .map_or(text.len(), |end| start + end + closing.len()),
    )
}

/// The length of a literal between two `quote`s, with `\` escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if !escaped && c == quote {
            return at + 1;
        }
        escaped = !escaped && c == '\\';
    }
    text.len()
}

/// The length of a character literal; `'a` in `&'a str` is none.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.strip_prefix('\'')?.chars();
    let first = chars.next()?;
    if first == '\\' {
        return Some(quoted(text, '\''));
    }
    chars
        .next()
        .is_some_and(|c| c == '\'')
        .then(|| 2 + first.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_blank() {
        assert_eq!(code_only("a // b\nc"), "a     \nc");
        assert_eq!(code_only("a /* b /* c */ d */ e"), "a                   e");
        assert_eq!(code_only("/* open"), "       ");
    }

    #[test]
    fn what_is_no_comment_is_blank_too() {
        let source = "a(\"// no\"); // why é\nb";
        let comments = comments_only(source, &code_only(source));
        assert_eq!(comments, "            // why é\n ");
    }

    #[test]
    fn literals_keep_their_place_and_lose_their_words() {
        assert_eq!(
            code_only(r#"f("select! \" //") + 1"#),
            "f(_______________) + 1"
        );
        assert_eq!(
            code_only("r#\"a\"b\"# + br\"x\\\" z"),
            "________ + ______ z"
        );
        assert_eq!(code_only("let c = '\"'; '\\''; d"), "let c = ___; ____; d");
    }

    #[test]
    fn a_lifetime_is_no_character_and_a_word_that_ends_in_r_no_raw_string() {
        assert_eq!(code_only("&'a str, 'b: loop"), "&'a str, 'b: loop");
        assert_eq!(code_only("var\"x\""), "var___");
    }

    #[test]
    fn lines_of_comments_and_of_unit_tests_are_not_counted() {
        let source = "//! docs\n\nfn a() {\n    // why\n}\n\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(code_lines(&code_only(source)), 2);
    }
}
