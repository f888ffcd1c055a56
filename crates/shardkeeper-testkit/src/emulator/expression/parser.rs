//! What all grammars share: the cursor over tokens, paths, substitution, and the words of a syntax error.

use super::path::{Path, Step};
use super::token::{Spanned, Token, tokenize};
use super::{Bindings, Kind, reserved};
use crate::emulator::value::{AttributeValue, Invalid, MAX_NESTING};

/// DynamoDB's bound on operators and functions in one expression.
const MAX_OPERATORS: usize = 300;

/// Parentheses, `NOT`s and calls within each other: recursion must end before the stack does.
const MAX_DEPTH: usize = 100;

/// A cursor over one expression.
pub(super) struct Parser<'a> {
    pub(super) kind: Kind,
    pub(super) bindings: &'a mut Bindings,
    text: &'a str,
    tokens: Vec<Spanned>,
    at: usize,
    depth: usize,
    operators: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(
        kind: Kind,
        text: &'a str,
        bindings: &'a mut Bindings,
    ) -> Result<Self, Invalid> {
        let tokens = tokenize(kind, text)?;
        Ok(Self {
            kind,
            bindings,
            text,
            tokens,
            at: 0,
            depth: 0,
            operators: 0,
        })
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|spanned| &spanned.token)
    }

    fn peek_second(&self) -> Option<&Token> {
        self.tokens.get(self.at + 1).map(|spanned| &spanned.token)
    }

    pub(super) fn at_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Some(Token::Symbol(s)) if *s == symbol)
    }

    pub(super) fn at_keyword(&self, keyword: &str) -> bool {
        self.peek().is_some_and(|token| token.is_keyword(keyword))
    }

    /// Whether a function call starts here.
    pub(super) fn at_call(&self) -> bool {
        matches!(
            (self.peek(), self.peek_second()),
            (Some(Token::Word(_)), Some(Token::Symbol("(")))
        )
    }

    /// Steps over the current token, whatever it is.
    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    pub(super) fn accept_symbol(&mut self, symbol: &str) -> bool {
        let found = self.at_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    pub(super) fn accept_keyword(&mut self, keyword: &str) -> bool {
        let found = self.at_keyword(keyword);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Result<(), Invalid> {
        if self.accept_symbol(symbol) {
            Ok(())
        } else {
            Err(self.syntax_error())
        }
    }

    /// The end of the expression, and nothing else.
    pub(super) fn end(&self) -> Result<(), Invalid> {
        if self.at == self.tokens.len() {
            Ok(())
        } else {
            Err(self.syntax_error())
        }
    }

    /// One level deeper; pairs with [`Self::leave`].
    pub(super) fn enter(&mut self) -> Result<(), Invalid> {
        if self.depth == MAX_DEPTH {
            return Err(self.invalid("The expression is nested too deeply"));
        }
        self.depth += 1;
        Ok(())
    }

    /// One level back.
    pub(super) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Counts one operator or function against the bound.
    pub(super) fn count_operator(&mut self) -> Result<(), Invalid> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS {
            return Err(
                self.invalid("The expression contains more than 300 operators and functions")
            );
        }
        Ok(())
    }

    /// `name(.member|[index])*`
    pub(super) fn path(&mut self) -> Result<Path, Invalid> {
        let mut path = Path {
            root: self.attribute_name()?,
            steps: Vec::new(),
        };
        loop {
            if self.accept_symbol(".") {
                path.steps.push(Step::Member(self.attribute_name()?));
            } else if self.accept_symbol("[") {
                let Some(Token::Index(index)) = self.peek() else {
                    return Err(self.syntax_error());
                };
                let index = index
                    .ok_or_else(|| self.invalid("List index is not within the allowable range"))?;
                path.steps.push(Step::Index(index));
                self.advance();
                self.expect_symbol("]")?;
            } else {
                return Ok(path);
            }
            if path.steps.len() >= MAX_NESTING {
                return Err(self.invalid("The document path has too many nesting elements"));
            }
        }
    }

    fn attribute_name(&mut self) -> Result<String, Invalid> {
        let name = match self.peek() {
            Some(Token::Word(word)) if reserved::is_reserved(word) => {
                return Err(self.invalid(&format!(
                    "Attribute name is a reserved keyword; reserved keyword: {word}"
                )));
            }
            Some(Token::Word(word)) => word.clone(),
            Some(Token::Name(token)) => {
                let token = token.clone();
                self.bindings.name(self.kind, &token)?
            }
            _ => return Err(self.syntax_error()),
        };
        self.advance();
        Ok(name)
    }

    /// `:value`, if one is here.
    pub(super) fn accept_value(&mut self) -> Result<Option<AttributeValue>, Invalid> {
        let Some(Token::Value(token)) = self.peek() else {
            return Ok(None);
        };
        let token = token.clone();
        let value = self.bindings.value(self.kind, &token)?;
        self.advance();
        Ok(Some(value))
    }

    /// `name(`: only after [`Self::at_call`].
    pub(super) fn call_name(&mut self) -> Result<String, Invalid> {
        let Some(Token::Word(name)) = self.peek() else {
            return Err(self.syntax_error());
        };
        let name = name.clone();
        self.advance();
        self.expect_symbol("(")?;
        self.count_operator()?;
        Ok(name)
    }

    /// A `ValidationException` about this expression.
    pub(super) fn invalid(&self, message: &str) -> Invalid {
        Invalid(format!("Invalid {}: {message}", self.kind.member()))
    }

    pub(super) fn wrong_operand_type(&self, function: &str, operand: &AttributeValue) -> Invalid {
        self.invalid(&format!(
            "Incorrect operand type for operator or function; operator or function: {function}, operand type: {}",
            operand.type_name()
        ))
    }

    pub(super) fn wrong_operand_count(&self, function: &str, count: usize) -> Invalid {
        self.invalid(&format!(
            "Incorrect number of operands for operator or function; operator or function: {function}, number of operands: {count}"
        ))
    }

    pub(super) fn needs_path(&self, function: &str) -> Invalid {
        self.invalid(&format!(
            "Operator or function requires a document path; operator or function: {function}"
        ))
    }

    pub(super) fn unknown_function(&self, function: &str) -> Invalid {
        self.invalid(&format!("Invalid function name; function: {function}"))
    }

    pub(super) fn misplaced_function(&self, function: &str) -> Invalid {
        self.invalid(&format!(
            "The function is not allowed to be used this way in an expression; function: {function}"
        ))
    }

    /// The current token is not what the grammar wants.
    pub(super) fn syntax_error(&self) -> Invalid {
        let token = self
            .tokens
            .get(self.at)
            .map_or("<EOF>", |spanned| &self.text[spanned.span.clone()]);
        let first = self
            .tokens
            .get(self.at.saturating_sub(1))
            .map_or(0, |spanned| spanned.span.start);
        let last = self
            .tokens
            .get(self.at + 1)
            .map_or(self.text.len(), |spanned| spanned.span.end);
        self.invalid(&format!(
            "Syntax error; token: \"{token}\", near: \"{}\"",
            &self.text[first..last]
        ))
    }
}
