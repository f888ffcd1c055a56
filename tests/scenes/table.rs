//! Tables behind the AWS adapters, by the SDK.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType, StreamSpecification, StreamViewType,
};
use shardkeeper_core::row::RowKey;
use shardkeeper_testkit::conformance::Trouble;
use shardkeeper_testkit::conformance::lease_store::ForeignColumns;
use shardkeeper_testkit::conformance::stream_source::View;

/// A table of items with the text key `id`.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
}

impl Table {
    /// Creates the table with a stream.
    pub(crate) async fn create(client: &Client, name: &str, view: View) -> Result<Self, Trouble> {
        let id = AttributeDefinition::builder()
            .attribute_name("id")
            .attribute_type(ScalarAttributeType::S)
            .build()?;
        let key = KeySchemaElement::builder()
            .attribute_name("id")
            .key_type(KeyType::Hash)
            .build()?;
        client
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(id)
            .key_schema(key)
            .stream_specification(streamed(view)?)
            .send()
            .await?;
        Ok(Self {
            client: client.clone(),
            name: name.to_owned(),
        })
    }

    pub(crate) async fn put(&self, id: &str, n: u64) -> Result<(), Trouble> {
        self.client
            .put_item()
            .table_name(&self.name)
            .item("id", AttributeValue::S(id.to_owned()))
            .item("n", AttributeValue::N(n.to_string()))
            .send()
            .await?;
        Ok(())
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<(), Trouble> {
        let key = AttributeValue::S(id.to_owned());
        self.client
            .delete_item()
            .table_name(&self.name)
            .key("id", key)
            .send()
            .await?;
        Ok(())
    }

    pub(crate) async fn disable_stream(&self) -> Result<(), Trouble> {
        let off = StreamSpecification::builder()
            .stream_enabled(false)
            .build()?;
        self.client
            .update_table()
            .table_name(&self.name)
            .stream_specification(off)
            .send()
            .await?;
        Ok(())
    }

    pub(crate) async fn enable_stream(&self) -> Result<(), Trouble> {
        let on = streamed(View::NewAndOldImages)?;
        self.client
            .update_table()
            .table_name(&self.name)
            .stream_specification(on)
            .send()
            .await?;
        Ok(())
    }
}

fn streamed(view: View) -> Result<StreamSpecification, Trouble> {
    let view = StreamViewType::from(view.name());
    Ok(StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(view)
        .build()?)
}

/// A column that is no text, number or set of texts, written past the lease store.
pub(crate) struct Foreign {
    pub(crate) client: Client,
    pub(crate) table: String,
}

fn foreign_value() -> AttributeValue {
    let inner = AttributeValue::L(vec![
        AttributeValue::Bool(true),
        AttributeValue::N("0.5".into()),
    ]);
    AttributeValue::M([("inner".to_owned(), inner)].into())
}

#[async_trait::async_trait]
impl ForeignColumns for Foreign {
    async fn add(&self, key: &RowKey) -> Result<(), Trouble> {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("leaseKey", AttributeValue::S(key.as_str().to_owned()))
            .update_expression("SET foreign_column = :value")
            .expression_attribute_values(":value", foreign_value())
            .send()
            .await?;
        Ok(())
    }

    async fn are_intact(&self, key: &RowKey) -> Result<bool, Trouble> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("leaseKey", AttributeValue::S(key.as_str().to_owned()))
            .consistent_read(true)
            .send()
            .await?;
        let found = answer
            .item
            .and_then(|mut item| item.remove("foreign_column"));
        Ok(found == Some(foreign_value()))
    }
}
