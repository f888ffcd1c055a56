//! Makes sure that the lease table is there and is ours to use.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TableDescription, TableStatus,
};
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, default_async_sleep};
use shardkeeper_core::ports::{FailureKind, PortError, TableCreation};

use super::convert::{failure, has_code, missing, port_error};
use super::expression::KEY;

const DESCRIBE: &str = "DescribeTable";
/// How often to look whether a new table is active. Creating one takes seconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After which the start is given up, so that whoever waits for it learns why.
const LOOKS: usize = 120;

/// See [`shardkeeper_core::ports::LeaseStore::open`]. May be cancelled and called again at any time;
/// any number of workers may call it at once.
pub(super) async fn open(
    client: &Client,
    table: &str,
    creation: TableCreation,
) -> Result<(), PortError> {
    let sleep = client.config().sleep_impl().or_else(default_async_sleep);
    for _ in 0..LOOKS {
        let found = match describe(client, table).await? {
            Some(found) => Some(found),
            None if creation == TableCreation::Allowed => create(client, table).await?,
            None => return Err(absent(table)),
        };
        if let Some(found) = found {
            check_key(table, &found)?;
            if is_usable(table, &found)? {
                return Ok(());
            }
        }
        pause(sleep.as_ref()).await?;
    }
    let seconds = LOOKS as u64 * LOOK_EVERY.as_secs();
    let why = format!("table {table} is still not active after {seconds} s");
    Err(failure(FailureKind::Unavailable, DESCRIBE, &why))
}

fn absent(table: &str) -> PortError {
    let how = format!(
        "table {table} does not exist and may not be created; create it: aws dynamodb create-table \
         --table-name {table} --billing-mode PAY_PER_REQUEST \
         --attribute-definitions AttributeName={KEY},AttributeType=S \
         --key-schema AttributeName={KEY},KeyType=HASH"
    );
    failure(FailureKind::NotFound, DESCRIBE, &how)
}

async fn pause(sleep: Option<&SharedAsyncSleep>) -> Result<(), PortError> {
    let why = "the client has no sleep implementation to wait for the table with";
    let sleep = sleep.ok_or_else(|| failure(FailureKind::Invalid, DESCRIBE, why))?;
    sleep.sleep(LOOK_EVERY).await;
    Ok(())
}

/// `None` when there is no such table.
async fn describe(client: &Client, table: &str) -> Result<Option<TableDescription>, PortError> {
    match client.describe_table().table_name(table).send().await {
        Ok(answer) => Ok(Some(
            answer.table.ok_or_else(|| missing(DESCRIBE, "Table"))?,
        )),
        Err(error) if has_code(&error, "ResourceNotFoundException") => Ok(None),
        Err(error) => Err(port_error(DESCRIBE, &error)),
    }
}

/// Asks for the table; `None` when somebody else is doing the same.
async fn create(client: &Client, table: &str) -> Result<Option<TableDescription>, PortError> {
    const ACTION: &str = "CreateTable";
    let (attribute, key) =
        definition().map_err(|odd| failure(FailureKind::Invalid, ACTION, &odd.to_string()))?;
    let asked = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute)
        .key_schema(key)
        .send()
        .await;
    match asked {
        Ok(answer) => Ok(Some(
            answer
                .table_description
                .ok_or_else(|| missing(ACTION, "TableDescription"))?,
        )),
        Err(error) if has_code(&error, "ResourceInUseException") => Ok(None),
        Err(error) => Err(port_error(ACTION, &error)),
    }
}

fn definition() -> Result<(AttributeDefinition, KeySchemaElement), BuildError> {
    let text = AttributeDefinition::builder()
        .attribute_name(KEY)
        .attribute_type(ScalarAttributeType::S);
    let hash = KeySchemaElement::builder()
        .attribute_name(KEY)
        .key_type(KeyType::Hash);
    Ok((text.build()?, hash.build()?))
}

/// Refuses a table that is something else, naming what is there and what is needed.
fn check_key(table: &str, found: &TableDescription) -> Result<(), PortError> {
    let schema = found
        .key_schema
        .as_ref()
        .ok_or_else(|| missing(DESCRIBE, "KeySchema"))?;
    let type_of = |name: &str| {
        let definitions = found.attribute_definitions();
        let known = definitions
            .iter()
            .find(|definition| definition.attribute_name() == name);
        known.map_or("?", |definition| definition.attribute_type().as_str())
    };
    let parts = schema.iter().map(|part| {
        let name = part.attribute_name();
        format!("{name} {} ({})", part.key_type().as_str(), type_of(name))
    });
    let there = parts.collect::<Vec<_>>().join(", ");
    let needed = format!("{KEY} HASH (S)");
    if there == needed {
        return Ok(());
    }
    let why = format!(
        "table {table} is not a lease table: its key is {there}, but it must be {needed}; name another one with .lease_table(..)"
    );
    Err(failure(FailureKind::Invalid, DESCRIBE, &why))
}

fn is_usable(table: &str, found: &TableDescription) -> Result<bool, PortError> {
    match &found.table_status {
        Some(TableStatus::Creating | TableStatus::Deleting) => Ok(false),
        Some(TableStatus::InaccessibleEncryptionCredentials) => {
            let why = format!("the encryption key of table {table} cannot be used");
            Err(failure(FailureKind::Denied, DESCRIBE, &why))
        }
        // Being updated is being in use, and a state that we do not know is for the first call to judge.
        _ => Ok(true),
    }
}
