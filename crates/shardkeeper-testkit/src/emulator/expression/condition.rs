//! Conditions, the language of `ConditionExpression` and `FilterExpression`, as a checked tree.

use super::parser::Parser;
use super::path::Path;
use super::{Bindings, Kind};
use crate::emulator::value::{AttributeValue, Invalid};

/// DynamoDB's bound on the list of `IN`.
const MAX_IN_OPERANDS: usize = 100;

const TYPE_NAMES: [&str; 10] = ["B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"];

/// A truth about an item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Comparator, Operand, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(Path),
    NotExists(Path),
    HasType(Path, String),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

/// `=`, `<>`, `<`, `<=`, `>`, `>=`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    const ALL: [(&'static str, Self); 6] = [
        ("=", Self::Equal),
        ("<>", Self::NotEqual),
        ("<", Self::Less),
        ("<=", Self::LessOrEqual),
        (">", Self::Greater),
        (">=", Self::GreaterOrEqual),
    ];
}

/// What a condition compares.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Path(Path),
    Value(AttributeValue),
    Size(Path),
}

impl Condition {
    /// Parses a `ConditionExpression`, a `FilterExpression`, or the raw form of a `KeyConditionExpression`.
    pub(crate) fn parse(kind: Kind, text: &str, bindings: &mut Bindings) -> Result<Self, Invalid> {
        let mut parser = Parser::new(kind, text, bindings)?;
        let condition = Grammar {
            parser: &mut parser,
            last_group: None,
        }
        .disjunction()?;
        parser.end()?;
        Ok(condition)
    }

    /// Every path the condition looks at.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        self.collect_paths(&mut paths);
        paths
    }

    fn collect_paths<'a>(&'a self, paths: &mut Vec<&'a Path>) {
        let operands: Vec<&Operand> = match self {
            Self::And(all) | Self::Or(all) => {
                return all.iter().for_each(|one| one.collect_paths(paths));
            }
            Self::Not(inner) => return inner.collect_paths(paths),
            Self::Exists(path) | Self::NotExists(path) | Self::HasType(path, _) => {
                return paths.push(path);
            }
            Self::Compare(_, a, b) | Self::BeginsWith(a, b) | Self::Contains(a, b) => vec![a, b],
            Self::Between(a, b, c) => vec![a, b, c],
            Self::In(value, list) => std::iter::once(value).chain(list).collect(),
        };
        paths.extend(operands.into_iter().filter_map(|operand| match operand {
            Operand::Path(path) | Operand::Size(path) => Some(path),
            Operand::Value(_) => None,
        }));
    }
}

struct Grammar<'p, 'a> {
    parser: &'p mut Parser<'a>,
    /// The token range of the group in parentheses that was closed last: two around the same thing are refused.
    last_group: Option<(usize, usize)>,
}

impl Grammar<'_, '_> {
    fn disjunction(&mut self) -> Result<Condition, Invalid> {
        let first = self.conjunction()?;
        let mut all = vec![first];
        while self.parser.accept_keyword("OR") {
            self.parser.count_operator()?;
            all.push(self.conjunction()?);
        }
        Ok(flatten(all, Condition::Or))
    }

    fn conjunction(&mut self) -> Result<Condition, Invalid> {
        let first = self.negation()?;
        let mut all = vec![first];
        while self.parser.accept_keyword("AND") {
            self.parser.count_operator()?;
            all.push(self.negation()?);
        }
        Ok(flatten(all, Condition::And))
    }

    fn negation(&mut self) -> Result<Condition, Invalid> {
        if !self.parser.accept_keyword("NOT") {
            return self.primary();
        }
        self.parser.count_operator()?;
        self.deeper(|grammar| Ok(Condition::Not(Box::new(grammar.negation()?))))
    }

    fn primary(&mut self) -> Result<Condition, Invalid> {
        let start = self.parser.position();
        if self.parser.accept_symbol("(") {
            let inner = self.deeper(Self::disjunction)?;
            let end = self.parser.position();
            self.parser.expect_symbol(")")?;
            if self.last_group == Some((start + 1, end)) {
                return Err(self
                    .parser
                    .invalid("The expression has redundant parentheses;"));
            }
            self.last_group = Some((start, end + 1));
            return Ok(inner);
        }
        if self.parser.at_call() && !is_size(self.parser) {
            return self.function();
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Condition, Invalid> {
        let left = self.operand()?;
        if self.parser.accept_keyword("BETWEEN") {
            self.parser.count_operator()?;
            let low = self.operand()?;
            if !self.parser.accept_keyword("AND") {
                return Err(self.parser.syntax_error());
            }
            let high = self.operand()?;
            return self.between(left, low, high);
        }
        if self.parser.accept_keyword("IN") {
            self.parser.count_operator()?;
            self.parser.expect_symbol("(")?;
            let list = self.arguments()?;
            if list.len() > MAX_IN_OPERANDS {
                return Err(self.parser.wrong_operand_count("IN", list.len() + 1));
            }
            return Ok(Condition::In(left, list));
        }
        let (symbol, comparator) = Comparator::ALL
            .into_iter()
            .find(|(symbol, _)| self.parser.accept_symbol(symbol))
            .ok_or_else(|| self.parser.syntax_error())?;
        self.parser.count_operator()?;
        let right = self.operand()?;
        self.check_distinct(symbol, &left, &right)?;
        if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
            self.check_ordered(symbol, &[&left, &right])?;
        }
        Ok(Condition::Compare(comparator, left, right))
    }

    fn between(&self, value: Operand, low: Operand, high: Operand) -> Result<Condition, Invalid> {
        self.check_ordered("BETWEEN", &[&value, &low, &high])?;
        if let (Operand::Value(low), Operand::Value(high)) = (&low, &high) {
            match low.scalar_cmp(high) {
                None => {
                    return Err(self.parser.invalid(&format!(
                        "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: \
                         AttributeValue: {}, upper bound operand: AttributeValue: {}",
                        low.to_json(),
                        high.to_json()
                    )));
                }
                Some(std::cmp::Ordering::Greater) => {
                    return Err(self.parser.invalid(&format!(
                        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower \
                         bound operand: AttributeValue: {}, upper bound operand: AttributeValue: {}",
                        low.to_json(),
                        high.to_json()
                    )));
                }
                Some(_) => {}
            }
        }
        Ok(Condition::Between(value, low, high))
    }

    fn function(&mut self) -> Result<Condition, Invalid> {
        let name = self.parser.call_name()?;
        let arguments = self.arguments()?;
        let arity = match name.as_str() {
            "attribute_exists" | "attribute_not_exists" => 1,
            "attribute_type" | "begins_with" | "contains" => 2,
            "if_not_exists" | "list_append" => return Err(self.parser.misplaced_function(&name)),
            _ => return Err(self.parser.unknown_function(&name)),
        };
        let count = arguments.len();
        let mut arguments = arguments.into_iter();
        let (Some(first), second) = (arguments.next(), arguments.next()) else {
            return Err(self.parser.syntax_error());
        };
        if count != arity {
            return Err(self.parser.wrong_operand_count(&name, count));
        }
        match (name.as_str(), second) {
            ("attribute_exists", _) => Ok(Condition::Exists(self.path_operand(&name, first)?)),
            ("attribute_not_exists", _) => {
                Ok(Condition::NotExists(self.path_operand(&name, first)?))
            }
            ("attribute_type", Some(second)) => {
                let path = self.path_operand(&name, first)?;
                Ok(Condition::HasType(path, self.type_operand(&name, &second)?))
            }
            ("begins_with", Some(second)) => {
                self.check_distinct(&name, &first, &second)?;
                for operand in [&first, &second] {
                    if let Operand::Value(value) = operand
                        && !matches!(value, AttributeValue::S(_) | AttributeValue::B(_))
                    {
                        return Err(self.parser.wrong_operand_type(&name, value));
                    }
                }
                Ok(Condition::BeginsWith(first, second))
            }
            ("contains", Some(second)) => {
                self.check_distinct(&name, &first, &second)?;
                Ok(Condition::Contains(first, second))
            }
            _ => Err(self.parser.syntax_error()),
        }
    }

    fn arguments(&mut self) -> Result<Vec<Operand>, Invalid> {
        let mut arguments = vec![self.operand()?];
        while self.parser.accept_symbol(",") {
            arguments.push(self.operand()?);
        }
        self.parser.expect_symbol(")")?;
        Ok(arguments)
    }

    fn operand(&mut self) -> Result<Operand, Invalid> {
        if self.parser.at_call() {
            if !is_size(self.parser) {
                let name = self.parser.call_name()?;
                return Err(match name.as_str() {
                    "attribute_exists"
                    | "attribute_not_exists"
                    | "attribute_type"
                    | "begins_with"
                    | "contains" => self.parser.misplaced_function(&name),
                    _ => self.parser.unknown_function(&name),
                });
            }
            let name = self.parser.call_name()?;
            let mut arguments = self.deeper(Self::arguments)?;
            return match (arguments.len(), arguments.pop()) {
                (1, Some(Operand::Path(path))) => Ok(Operand::Size(path)),
                (1, Some(Operand::Size(_))) => Err(self.parser.misplaced_function(&name)),
                (1, _) => Err(self.parser.needs_path(&name)),
                (count, _) => Err(self.parser.wrong_operand_count(&name, count)),
            };
        }
        match self.parser.accept_value()? {
            Some(value) => Ok(Operand::Value(value)),
            None => Ok(Operand::Path(self.parser.path()?)),
        }
    }

    fn path_operand(&self, function: &str, operand: Operand) -> Result<Path, Invalid> {
        match operand {
            Operand::Path(path) => Ok(path),
            _ => Err(self.parser.needs_path(function)),
        }
    }

    fn type_operand(&self, function: &str, operand: &Operand) -> Result<String, Invalid> {
        match operand {
            Operand::Value(AttributeValue::S(name)) if TYPE_NAMES.contains(&name.as_str()) => Ok(name.clone()),
            Operand::Value(AttributeValue::S(name)) => Err(self.parser.invalid(&format!(
                "Invalid attribute type name found; type: {name}, valid types: {{{}}}",
                TYPE_NAMES.join(",")
            ))),
            Operand::Value(other) => Err(self.parser.wrong_operand_type(function, other)),
            _ => Err(self.parser.invalid(&format!(
                "Operator or function requires an expression attribute value; operator or function: {function}"
            ))),
        }
    }

    /// Comparing a path with itself is refused by the service, whatever the item holds.
    fn check_distinct(
        &self,
        operator: &str,
        left: &Operand,
        right: &Operand,
    ) -> Result<(), Invalid> {
        match (left, right) {
            (Operand::Path(a), Operand::Path(b)) if a == b => Err(self.parser.invalid(&format!(
                "The first operand must be distinct from the remaining operands for this operator or function; \
                 operator: {operator}, first operand: {a}"
            ))),
            _ => Ok(()),
        }
    }

    /// A literal of a type without an order can never be compared.
    fn check_ordered(&self, operator: &str, operands: &[&Operand]) -> Result<(), Invalid> {
        for operand in operands {
            if let Operand::Value(value) = operand
                && value.scalar_cmp(value).is_none()
            {
                return Err(self.parser.wrong_operand_type(operator, value));
            }
        }
        Ok(())
    }

    fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Invalid>,
    ) -> Result<T, Invalid> {
        self.parser.enter()?;
        let result = inner(self);
        self.parser.leave();
        result
    }
}

fn is_size(parser: &Parser<'_>) -> bool {
    matches!(parser.peek(), Some(super::token::Token::Word(word)) if word == "size")
}

fn flatten(mut all: Vec<Condition>, join: impl FnOnce(Vec<Condition>) -> Condition) -> Condition {
    match (all.len(), all.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            all.push(last);
            join(all)
        }
        (_, None) => join(all),
    }
}
