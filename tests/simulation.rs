//! Worlds of the adversary that found something once, and the one property that every other rests on.
//! `cargo xtask sim` runs thousands of others.

use shardkeeper_testkit::sim::{Seam, Wishes, run};

/// Seeds that were violations once, and what was wrong. When the world learns something new, a seed is another world than
/// it was: what each found has a scripted test beside it, or a plant that shows that the world still finds its like.
const FOUND: &[(u64, &str)] = &[
    (
        5,
        "S5: a copied machine beat under a name that others knew to be over, and was robbed while it believed",
    ),
    (
        7,
        "S2: a false end waited behind a processor that hung until the shard had vanished",
    ),
    (
        8,
        "S9: a listing left a shard out, so its lease was forgotten and made again",
    ),
    (
        38,
        "S1: a child was listed when the next stream of the table had begun",
    ),
    (
        21,
        "S5: the lease table was gone while it was restored, and nobody who came back knew that tokens had been used",
    ),
    (
        141,
        "S5: the first beats of a copied machine had the ids of its original's",
    ),
    (
        655,
        "S10: a table was put back to a copy of a stopped application, and tokens were used twice",
    ),
    (
        962,
        "S9: a finished lease was forgotten before its children were seen",
    ),
    (
        1052,
        "L6: a request that nobody could answer stood until the next sweep, where the leases were spread evenly",
    ),
    (
        1636,
        "S5: a copy of the lease table, put in place while it was away, hid beats, and who believed in itself was found dead",
    ),
    (
        4273,
        "S4, of the judge itself: a shard that was gone got a lease after all, when its child was read already",
    ),
    (
        5048,
        "L8, of the judge itself: a page behind a gap was counted again when it was read again",
    ),
    (
        5253,
        "S15, of the judge itself: a machine was stopped while user code held up its runtime",
    ),
    (
        6336,
        "L7: four workers in a storm of ends asked once more in ten seconds than the account has",
    ),
    (
        271,
        "L6, of the judge itself: what a person did to a row is seen by the next sweep only",
    ),
    (
        869,
        "L7, of the judge itself: a shard that changed hands twice within a second was read by three",
    ),
    (
        1069,
        "S15, of the judge itself: a shard was another one's by now, and who had it could not read that",
    ),
    (
        1626,
        "S1, of the judge itself: the last record of a parent was lost with the others",
    ),
    (
        1665,
        "S2, of the judge itself: two children told each that their parent was gone",
    ),
    (
        6863,
        "S3, of the judge itself: who begins at a start knows nothing of what its predecessor told",
    ),
    (
        1269,
        "S12: a beat whose answer was lost was not counted, so that the table set back to the one before it went unnoticed",
    ),
    (
        1548,
        "S7: what came behind a false end was taken for nothing, because the record before it was trimmed",
    ),
    (
        1841,
        "S10, S11: a born child was begun twice, because the answer to its parent's end came late",
    ),
    (
        1868,
        "L7: refused listings of four workers were more than the account's",
    ),
    (
        2366,
        "S2: a shard of which it was told that it is gone was told of again",
    ),
    (
        2766,
        "L1: a copied machine joined under the name of a worker that was over, and was struck off by who remembered that one",
    ),
    (
        11,
        "S1: a stream that lived and ended while an older one was drained, or while the fleet was down, was never read",
    ),
    (
        50,
        "L4: a buried worker's row was removed before the others had seen that it was over",
    ),
    (
        115,
        "S7: a false end that came true before it was confirmed lost what was written between",
    ),
    (420, "S7: the same in another world"),
    (
        439,
        "L10: shards behind a stopped ancestor kept the next stream of the table from being read",
    ),
    (
        516,
        "L1: an enrolment that was answered by nothing was believed",
    ),
    (
        3898,
        "L7: workers that were refused asked as often again too soon",
    ),
    (
        1551,
        "L8: a shard that was to be let go was read on, and its pages thrown away, while the write hung",
    ),
    (
        3649,
        "S12: calls that hung one after another were taken for a keeper that is not at work, and cost every lease",
    ),
    (
        1531,
        "L2, of the judge itself: a listing of a hundred pages is made more rarely",
    ),
    (
        282,
        "S2: a gap was told twice under one lease, because acknowledgements were dropped",
    ),
    (
        9,
        "L10, of the judge itself: a late acknowledgement under a lost lease taught nobody where the shard began",
    ),
    (
        73,
        "S7, S8: an open shard that cut-short listings did not show counted as ended, and was over with its next false end",
    ),
    (
        169,
        "S7, of the judge itself: a second stream of the table was older than the start of the application",
    ),
];

#[test]
fn seeds_that_found_something_find_nothing_any_more() {
    for (seed, what) in FOUND {
        let outcome = run(*seed, &Wishes::default());
        assert_eq!(outcome.violations, [], "seed {seed}: {what}");
    }
}

#[test]
fn g12_the_same_seed_tells_the_same_story_through_the_sdk() {
    let wishes = Wishes {
        hash: true,
        seam: Some(Seam::Sdk),
        ..Wishes::default()
    };
    let [first, second] = [200, 200].map(|seed| run(seed, &wishes));
    assert_eq!(first.seam, Seam::Sdk);
    assert_eq!(first.violations, []);
    assert!(first.seen.records > 0, "somebody worked");
    assert_eq!(first.hash, second.hash);
}

#[test]
fn g12_the_same_seed_tells_the_same_story() {
    let wishes = Wishes {
        hash: true,
        ..Wishes::default()
    };
    let hashes: Vec<u64> = [7, 8, 7].map(|seed| run(seed, &wishes).hash).to_vec();
    assert_eq!(hashes[0], hashes[2]);
    assert_ne!(hashes[0], hashes[1]);
}
