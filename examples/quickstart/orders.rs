//! An order, and the life that every order lives.

use serde::Deserialize;

/// An item of the table, as a service describes it to serde.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Order {
    /// The key of the table.
    pub(crate) id: String,
    /// How far the order has come.
    pub(crate) state: String,
    /// What it costs.
    pub(crate) cents: u64,
    /// Counts the changes of this order from 1, over deletes too. It is what the proof rests on: every
    /// record tells which change it is, so none can be missing or out of place unnoticed.
    pub(crate) change: u64,
}

/// What an order goes through before it is deleted and its id is used again.
const STATES: [&str; 4] = ["placed", "paid", "packed", "shipped"];

/// What a writer does next to one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    /// `PutItem`: a new order, or another one in its place.
    Put(Order),
    /// `UpdateItem` of an order that is there.
    Update(Order),
    /// `DeleteItem`; the record carries the order as it was.
    Delete { id: String },
}

/// The life of one order, known exactly because one writer alone changes it.
#[derive(Debug)]
pub(crate) struct Life {
    id: String,
    change: u64,
    now: Option<Order>,
}

impl Life {
    pub(crate) fn new(id: String) -> Self {
        Self {
            id,
            change: 0,
            now: None,
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The next change. DynamoDB makes exactly one record of it.
    pub(crate) fn advance(&mut self, dice: &mut fastrand::Rng) -> Write {
        self.change += 1;
        let next = self.now.as_ref().and_then(following);
        match (self.now.take(), next) {
            (Some(_), _) if dice.u8(..100) < 10 => Write::Delete {
                id: self.id.clone(),
            },
            (Some(order), Some(state)) if dice.u8(..100) < 85 => Write::Update(self.be(Order {
                state: state.to_owned(),
                ..order
            })),
            (Some(_), None) => Write::Delete {
                id: self.id.clone(),
            },
            (Some(_) | None, _) => {
                let order = Order {
                    id: self.id.clone(),
                    state: STATES[0].to_owned(),
                    cents: dice.u64(100..100_000),
                    change: 0,
                };
                Write::Put(self.be(order))
            }
        }
    }

    /// A write that leaves everything as it is. DynamoDB makes no record of it, and nothing that could be
    /// counted.
    pub(crate) fn idle(&self) -> Write {
        match &self.now {
            Some(order) => Write::Update(order.clone()),
            None => Write::Delete {
                id: self.id.clone(),
            },
        }
    }

    fn be(&mut self, order: Order) -> Order {
        let order = Order {
            change: self.change,
            ..order
        };
        self.now = Some(order.clone());
        order
    }
}

fn following(order: &Order) -> Option<&'static str> {
    let at = STATES.iter().position(|state| *state == order.state)?;
    STATES.get(at + 1).copied()
}
