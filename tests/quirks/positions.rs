//! Sequence numbers of every shape.

use serde_json::Value;

use super::a_life_behind;
use super::disguise::{Exchange, Face};

/// Another way to write the emulator's sequence numbers, which keeps their order as numbers.
struct Written {
    out: fn(&str) -> String,
    back: fn(&str) -> String,
}

impl Face for Written {
    fn ask(&mut self, exchange: &mut Exchange) {
        if let Some(Value::String(number)) = exchange.question.get_mut("SequenceNumber") {
            *number = (self.back)(number);
        }
    }

    fn answer(&mut self, exchange: &mut Exchange) {
        let out = self.out;
        let write = |value: &mut Value| {
            if let Value::String(number) = value {
                *number = out(number);
            }
        };
        for record in exchange.records() {
            write(&mut record["dynamodb"]["SequenceNumber"]);
        }
        for shard in exchange.shards() {
            let range = &mut shard["SequenceNumberRange"];
            write(&mut range["StartingSequenceNumber"]);
            if range.get("EndingSequenceNumber").is_some() {
                write(&mut range["EndingSequenceNumber"]);
            }
        }
    }
}

/// The emulator's numbers begin here.
const FIRST: u128 = 100_000_000_000_000_000_000;

fn number(text: &str) -> u128 {
    text.parse().expect("digits")
}

#[tokio::test(start_paused = true)]
async fn f22_f23_q8_numbers_of_few_digits_of_forty_and_with_zeros_in_front_are_numbers() {
    let few = || Written {
        out: |text| (number(text) - FIRST).to_string(),
        back: |text| (number(text) + FIRST).to_string(),
    };
    let padded = || Written {
        out: |text| format!("{text:0>40}"),
        back: |text| number(text).to_string(),
    };
    // 40 digits do not fit 128 bits.
    let forty = || Written {
        out: |text| format!("9{text:0>39}"),
        back: |text| number(&text[1..]).to_string(),
    };
    let mixed = || Written {
        out: |text| {
            if text.ends_with(['1', '4', '7']) {
                format!("{text:0>33}")
            } else {
                text.to_owned()
            }
        },
        back: |text| number(text).to_string(),
    };
    for (seed, face) in [
        (931, few as fn() -> Written),
        (932, padded),
        (933, forty),
        (934, mixed),
    ] {
        a_life_behind(seed, face).await;
    }
}
