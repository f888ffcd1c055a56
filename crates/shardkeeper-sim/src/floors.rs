//! A sweep in which too little happened proves nothing.

use shardkeeper_testkit::sim::Fault;

use crate::sweep::Total;

/// For this many seeds.
const SEEDS: u64 = 2000;
/// Below so many seeds chance decides, and nothing is asked.
const FEWEST: u64 = 200;

/// What happened less often than it must.
pub(crate) fn missed(total: &Total) -> Vec<String> {
    if total.seeds < FEWEST {
        return Vec::new();
    }
    let seen = total.seen;
    let mut counts = vec![
        ("roll-overs", 5_000, seen.rollovers),
        ("trims", 500, seen.trims),
        ("take-overs", 2_000, seen.takeovers),
        ("seeds at the SDK seam", 20, total.sdk_seeds),
        ("virtual hours", 2_000, total.virtual_hours() as u64),
    ];
    counts.extend(
        Fault::ALL
            .iter()
            .map(|fault| (fault.name(), 500, total.injected.of(*fault))),
    );
    let floor = |least: u64| least * total.seeds / SEEDS;
    let below = counts
        .into_iter()
        .filter(|(_, least, found)| *found < floor(*least));
    below
        .map(|(what, least, found)| format!("{what}: {found} of at least {}", floor(least)))
        .collect()
}
