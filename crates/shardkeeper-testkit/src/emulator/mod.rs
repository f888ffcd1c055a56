//! An emulator of DynamoDB Streams and of the DynamoDB operations that go with it.

mod error;
mod expression;
mod key;
mod operations;
mod request;
mod settings;
mod table;
mod value;
mod world;

pub use self::settings::EmulatorSettings;
