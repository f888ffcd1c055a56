//! What users touch beside the worker itself: closures as processors, metrics, and what is refused.

mod closures;
mod failures;
mod metrics_page;
mod mistakes;
mod one_table;
mod twins;
