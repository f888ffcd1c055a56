//! `UpdateExpression` as a checked tree: its four sections, and what `SET` may compute.

use super::parser::Parser;
use super::path::{Path, check_disjoint};
use super::{Bindings, Kind};
use crate::emulator::value::{AttributeValue, Invalid};

/// An update, its paths known not to touch each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Update {
    pub(super) sets: Vec<(Path, SetValue)>,
    pub(super) removes: Vec<Path>,
    pub(super) adds: Vec<(Path, AttributeValue)>,
    pub(super) deletes: Vec<(Path, AttributeValue)>,
}

/// The right side of a `SET`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SetValue {
    Plain(SetOperand),
    Sum(SetOperand, SetOperand),
    Difference(SetOperand, SetOperand),
}

/// One value on the right side of a `SET`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SetOperand {
    Path(Path),
    Value(AttributeValue),
    IfNotExists(Path, Box<SetOperand>),
    ListAppend(Box<SetOperand>, Box<SetOperand>),
}

const SECTIONS: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

impl Update {
    /// Parses an `UpdateExpression`.
    pub(crate) fn parse(text: &str, bindings: &mut Bindings) -> Result<Self, Invalid> {
        let mut parser = Parser::new(Kind::Update, text, bindings)?;
        let mut update = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        loop {
            let section = SECTIONS
                .into_iter()
                .find(|section| parser.accept_keyword(section))
                .ok_or_else(|| parser.syntax_error())?;
            if seen.contains(&section) {
                return Err(parser.invalid(&format!(
                    "The \"{section}\" section can only be used once in an update expression;"
                )));
            }
            seen.push(section);
            update.section(section, &mut parser)?;
            if parser.end().is_ok() {
                break;
            }
        }
        check_disjoint(Kind::Update.member(), &update.paths())?;
        Ok(update)
    }

    /// Every path the update changes.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        let set = self.sets.iter().map(|(path, _)| path);
        let changed = self.adds.iter().chain(&self.deletes).map(|(path, _)| path);
        set.chain(&self.removes).chain(changed).collect()
    }

    fn section(&mut self, section: &str, parser: &mut Parser<'_>) -> Result<(), Invalid> {
        loop {
            let path = parser.path()?;
            parser.count_operator()?;
            match section {
                "SET" => {
                    parser.expect_symbol("=")?;
                    let value = set_value(parser)?;
                    self.sets.push((path, value));
                }
                "REMOVE" => self.removes.push(path),
                "ADD" => self.adds.push((path, section_operand(parser, section)?)),
                _ => self.deletes.push((path, section_operand(parser, section)?)),
            }
            if !parser.accept_symbol(",") {
                return Ok(());
            }
        }
    }
}

/// The operand of `ADD` (a number or a set) and of `DELETE` (a set).
fn section_operand(parser: &mut Parser<'_>, section: &str) -> Result<AttributeValue, Invalid> {
    let value = parser
        .accept_value()?
        .ok_or_else(|| parser.syntax_error())?;
    match &value {
        AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_) => Ok(value),
        AttributeValue::N(_) if section == "ADD" => Ok(value),
        other => Err(parser.invalid(&format!(
            "Incorrect operand type for operator or function; operator: {section}, operand type: {}",
            other.long_type_name()
        ))),
    }
}

fn set_value(parser: &mut Parser<'_>) -> Result<SetValue, Invalid> {
    let left = set_operand(parser, false)?;
    let operator = if parser.accept_symbol("+") {
        "+"
    } else if parser.accept_symbol("-") {
        "-"
    } else {
        return Ok(SetValue::Plain(left));
    };
    parser.count_operator()?;
    let right = set_operand(parser, false)?;
    for operand in [&left, &right] {
        match operand {
            SetOperand::Value(value) if !matches!(value, AttributeValue::N(_)) => {
                return Err(parser.wrong_operand_type(operator, value));
            }
            SetOperand::ListAppend(..) => return Err(parser.misplaced_function("list_append")),
            _ => {}
        }
    }
    Ok(if operator == "+" {
        SetValue::Sum(left, right)
    } else {
        SetValue::Difference(left, right)
    })
}

/// `path`, `:value`, `if_not_exists(path, operand)` or `list_append(operand, operand)`.
/// The service takes any nesting of functions except a `list_append` inside a `list_append`.
fn set_operand(parser: &mut Parser<'_>, appending: bool) -> Result<SetOperand, Invalid> {
    if !parser.at_call() {
        return match parser.accept_value()? {
            Some(value) => Ok(SetOperand::Value(value)),
            None => Ok(SetOperand::Path(parser.path()?)),
        };
    }
    let name = parser.call_name()?;
    parser.enter()?;
    let mut arguments = vec![set_operand(parser, appending || name == "list_append")?];
    while parser.accept_symbol(",") {
        arguments.push(set_operand(parser, appending || name == "list_append")?);
    }
    parser.expect_symbol(")")?;
    parser.leave();
    match name.as_str() {
        "if_not_exists" => {}
        "list_append" if !appending => {}
        "list_append"
        | "attribute_exists"
        | "attribute_not_exists"
        | "attribute_type"
        | "begins_with"
        | "contains"
        | "size" => return Err(parser.misplaced_function(&name)),
        _ => return Err(parser.unknown_function(&name)),
    }
    let count = arguments.len();
    let (Some(second), Some(first), 2) = (arguments.pop(), arguments.pop(), count) else {
        return Err(parser.wrong_operand_count(&name, count));
    };
    if name == "if_not_exists" {
        let SetOperand::Path(path) = first else {
            return Err(parser.needs_path(&name));
        };
        return Ok(SetOperand::IfNotExists(path, Box::new(second)));
    }
    for operand in [&first, &second] {
        if let SetOperand::Value(value) = operand
            && !matches!(value, AttributeValue::L(_))
        {
            return Err(parser.wrong_operand_type(&name, value));
        }
    }
    Ok(SetOperand::ListAppend(Box::new(first), Box::new(second)))
}
