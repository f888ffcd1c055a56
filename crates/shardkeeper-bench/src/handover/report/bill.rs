//! What an idle fleet pays, beside what KCL's heartbeats alone would cost.

use std::fmt::{Error, Write};

use crate::handover::cost::{
    Cost, HOURS_PER_MONTH, KCL_WRITES_PER_LEASE_HOUR, USD_PER_MILLION_READS,
    USD_PER_MILLION_WRITES, WORKERS,
};
use crate::report::Paint;

pub(super) fn table(cost: &Cost, paint: Paint) -> Result<String, Error> {
    let (mut text, leases) = (String::new(), cost.leases);
    let head = format!(
        "{:<48}{:>14}{:>16}{:>14}",
        format!("idle: {leases} leases, {WORKERS} workers, {} h", cost.hours),
        "units/hour",
        "per lease-hour",
        "USD/month"
    );
    writeln!(text, "\n{}", paint.bold(&head))?;
    let used = &cost.used;
    let writes = [
        ("writes: beats, group", used.beat_writes),
        ("writes: leases", used.lease_writes),
    ];
    let sweeps = format!(
        "reads: {:.0} sweeps of the table",
        f64::from(used.sweeps) / cost.hours
    );
    let reads = [
        ("reads: the group and other workers", used.look_reads),
        (sweeps.as_str(), used.sweep_reads),
    ];
    for (name, units) in writes {
        row(
            &mut text,
            leases,
            name,
            units / cost.hours,
            USD_PER_MILLION_WRITES,
        )?;
    }
    for (name, units) in reads {
        row(
            &mut text,
            leases,
            name,
            units / cost.hours,
            USD_PER_MILLION_READS,
        )?;
    }
    let all = format!("{:<78}{:>14.2}", "shardkeeper", cost.usd_per_month());
    writeln!(text, "{}", paint.bold(&all))?;
    let kcl = KCL_WRITES_PER_LEASE_HOUR * leases as f64;
    row(
        &mut text,
        leases,
        "KCL: heartbeats alone, one each 3.308 s",
        kcl,
        USD_PER_MILLION_WRITES,
    )?;
    let (least, most) = cost.shares;
    let note = format!(
        "USD {USD_PER_MILLION_WRITES} for a million writes, {USD_PER_MILLION_READS} for a million reads; a month has \
         {HOURS_PER_MONTH} hours; {least} to {most} leases a worker"
    );
    writeln!(text, "{}", paint.dim(&note))?;
    Ok(text)
}

fn row(text: &mut String, leases: usize, name: &str, hourly: f64, price: f64) -> Result<(), Error> {
    let usd = hourly * HOURS_PER_MONTH * price / 1e6;
    let each = hourly / leases as f64;
    writeln!(text, "  {name:<46}{hourly:>14.0}{each:>16.2}{usd:>14.2}")
}
