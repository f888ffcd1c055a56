//! Region and credentials: what every call needs.

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;

use super::report::Report;
use crate::connection::{self, SET_CREDENTIALS, SET_REGION};
use crate::failure::Failure;

/// False when nothing else can be tried.
pub(super) async fn examine(config: &SdkConfig, report: &mut Report) -> Result<bool, Failure> {
    let has_region = region(config, report)?;
    let has_credentials = credentials(config, report).await?;
    Ok(has_region && has_credentials)
}

fn region(config: &SdkConfig, report: &mut Report) -> Result<bool, Failure> {
    let Some(region) = connection::region(config) else {
        report.bad("region", "no AWS region is configured", SET_REGION)?;
        return Ok(false);
    };
    match config.endpoint_url() {
        Some(url) => report.good("region", format!("{region}, at {url} instead of AWS"))?,
        None => report.good("region", region)?,
    }
    Ok(true)
}

async fn credentials(config: &SdkConfig, report: &mut Report) -> Result<bool, Failure> {
    let Some(provider) = config.credentials_provider() else {
        let what = "no AWS credentials are configured";
        report.bad("credentials", what, SET_CREDENTIALS)?;
        return Ok(false);
    };
    match provider.provide_credentials().await {
        Ok(found) => {
            let key = masked(found.access_key_id());
            report.good("credentials", format!("access key {key}"))?;
            Ok(true)
        }
        Err(error) => {
            let what = Failure::of(&error).what().to_owned();
            report.bad("credentials", what, SET_CREDENTIALS)?;
            Ok(false)
        }
    }
}

/// Enough to recognise one's own key by.
fn masked(key: &str) -> String {
    let tail = key.len().saturating_sub(4);
    match key.get(tail..) {
        Some(end) if key.len() > 8 => format!("ending in {end}"),
        _ => "of a local server".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn a_key_is_never_shown_whole() {
        assert_eq!(masked("AKIAIOSFODNN7EXAMPLE"), "ending in MPLE");
        assert_eq!(masked("test"), "of a local server");
    }
}
