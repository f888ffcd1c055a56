//! Shards that follow each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodbstreams::types::{Record, Shard, ShardFilter, ShardFilterType};

use super::*;

/// Reads parents before their children, as a consumer must.
async fn drain_lineage(scene: &Scene) -> Vec<Record> {
    let shards: BTreeMap<String, Option<String>> = scene
        .emulator
        .shards(TABLE)
        .unwrap()
        .into_iter()
        .map(|shard| (shard.id, shard.parent))
        .collect();
    let mut done = BTreeSet::new();
    let mut records = Vec::new();
    while done.len() < shards.len() {
        let before = done.len();
        for (id, parent) in &shards {
            let ready = parent
                .as_ref()
                .is_none_or(|parent| done.contains(parent) || !shards.contains_key(parent));
            if ready && !done.contains(id) {
                records.extend(scene.drain_shard(id).await.0);
                done.insert(id.clone());
            }
        }
        assert!(done.len() > before, "a lineage without a root");
    }
    records
}

fn range(shard: &Shard) -> (u128, Option<u128>) {
    let range = shard.sequence_number_range().unwrap();
    let number = |text: &str| text.parse().unwrap();
    (
        number(range.starting_sequence_number().unwrap()),
        range.ending_sequence_number().map(number),
    )
}

#[tokio::test(start_paused = true)]
async fn the_changes_of_a_key_are_in_order_through_splits_and_roll_overs() {
    let settings = EmulatorSettings {
        initial_shards: 3,
        ..one_shard()
    };
    let scene = Scene::new(settings).await;
    for round in 0..6 {
        for key in 0..40 {
            scene.put(&format!("k{key}"), &round.to_string()).await;
        }
        let open = scene.open_shards();
        match round % 2 {
            0 => assert_eq!(
                scene.emulator.roll_over_all(TABLE).unwrap().len(),
                open.len()
            ),
            _ => assert_eq!(
                scene
                    .emulator
                    .split(TABLE, &open[round % open.len()], 3)
                    .unwrap()
                    .len(),
                3
            ),
        }
    }
    let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in drain_lineage(&scene).await {
        by_key
            .entry(key(&record))
            .or_default()
            .extend(new_value(&record));
    }
    assert_eq!(by_key.len(), 40);
    for (key, values) in by_key {
        assert_eq!(values, ["0", "1", "2", "3", "4", "5"], "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn f14_a_closed_shard_has_an_end_and_its_children_start_behind_it() {
    let scene = Scene::new(one_shard()).await;
    scene.put("k", "a").await;
    let parent = scene.only_open_shard();
    let before = scene.describe().await;
    assert_eq!(range(&before.shards()[0]).1, None);
    let children = scene.emulator.split(TABLE, &parent, 2).unwrap();
    let description = scene.describe().await;
    let ids: Vec<&str> = description
        .shards()
        .iter()
        .filter_map(Shard::shard_id)
        .collect();
    assert!(ids.is_sorted(), "the listing is in lexical order: {ids:?}");
    let find = |id: &str| {
        description
            .shards()
            .iter()
            .find(|shard| shard.shard_id() == Some(id))
            .unwrap()
    };
    let (start, end) = range(find(&parent));
    assert!(start <= end.unwrap());
    for child in &children {
        assert_eq!(find(child).parent_shard_id(), Some(parent.as_str()));
        assert!(range(find(child)).0 > end.unwrap());
    }
    // The last records come with the news that there are no more.
    let iterator = scene
        .iterator(&parent, ShardIteratorType::TrimHorizon)
        .await;
    let page = scene.records(&iterator).await;
    assert_eq!(
        (page.records().len(), page.next_shard_iterator()),
        (1, None)
    );
    let latest = scene.iterator(&parent, ShardIteratorType::Latest).await;
    let page = scene.records(&latest).await;
    assert_eq!(
        (page.records().len(), page.next_shard_iterator()),
        (0, None)
    );
}

#[tokio::test(start_paused = true)]
async fn f38_the_end_may_also_come_as_an_empty_page() {
    let settings = EmulatorSettings {
        empty_last_page: true,
        ..one_shard()
    };
    let scene = Scene::new(settings).await;
    scene.put("k", "a").await;
    let parent = scene.only_open_shard();
    scene.emulator.roll_over(TABLE, &parent).unwrap();
    let iterator = scene
        .iterator(&parent, ShardIteratorType::TrimHorizon)
        .await;
    let first = scene.records(&iterator).await;
    assert_eq!(first.records().len(), 1);
    let last = scene.records(first.next_shard_iterator().unwrap()).await;
    assert_eq!(
        (last.records().len(), last.next_shard_iterator()),
        (0, None)
    );
}

#[tokio::test(start_paused = true)]
async fn children_can_be_asked_for_alone_and_appear_after_their_lag() {
    let settings = EmulatorSettings {
        child_visibility_lag: Duration::from_secs(5),
        ending_visibility_lag: Duration::from_secs(2),
        ..one_shard()
    };
    let scene = Scene::new(settings).await;
    let parent = scene.only_open_shard();
    let child = scene.emulator.roll_over(TABLE, &parent).unwrap();
    let children = async || {
        let filter = ShardFilter::builder()
            .r#type(ShardFilterType::ChildShards)
            .shard_id(&parent)
            .build();
        let request = scene
            .streams
            .describe_stream()
            .stream_arn(scene.arn())
            .shard_filter(filter);
        let description = request.send().await.unwrap().stream_description.unwrap();
        description
            .shards()
            .iter()
            .filter_map(|shard| shard.shard_id().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert!(children().await.is_empty());
    assert_eq!(
        range(&scene.describe().await.shards()[0]).1,
        None,
        "the end lags as well"
    );
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(children().await, [child]);
    assert!(range(&scene.describe().await.shards()[0]).1.is_some());
}

#[tokio::test(start_paused = true)]
async fn f17_a_listing_has_pages_and_an_unknown_start_is_its_end() {
    let settings = EmulatorSettings {
        initial_shards: 250,
        ..one_shard()
    };
    let scene = Scene::new(settings).await;
    let mut ids = Vec::new();
    let mut pages = Vec::new();
    let mut start = None;
    loop {
        let request = scene
            .streams
            .describe_stream()
            .stream_arn(scene.arn())
            .set_exclusive_start_shard_id(start);
        let description = request.send().await.unwrap().stream_description.unwrap();
        pages.push(description.shards().len());
        ids.extend(
            description
                .shards()
                .iter()
                .filter_map(|shard| shard.shard_id().map(str::to_owned)),
        );
        start = description.last_evaluated_shard_id;
        if start.is_none() {
            break;
        }
    }
    assert_eq!(pages, [100, 100, 50]);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 250);
    let unknown = "shardId-99999999999999999999-ffffffff";
    let request = scene
        .streams
        .describe_stream()
        .stream_arn(scene.arn())
        .exclusive_start_shard_id(unknown);
    let description = request.send().await.unwrap().stream_description.unwrap();
    assert!(description.shards().is_empty());
}

#[tokio::test(start_paused = true)]
async fn f20_f29_shards_roll_over_by_the_clock_and_age_out_after_a_day() {
    let settings = EmulatorSettings {
        initial_shards: 2,
        ..EmulatorSettings::default()
    };
    let scene = Scene::new(settings).await;
    tokio::time::advance(Duration::from_secs(4 * 3600 - 1)).await;
    assert_eq!(scene.describe().await.shards().len(), 2);
    tokio::time::advance(Duration::from_secs(1801)).await;
    assert_eq!(scene.describe().await.shards().len(), 4);
    assert_eq!(scene.open_shards().len(), 2);
    // After days without a call: a day of generations, no more, and always two open shards.
    tokio::time::advance(Duration::from_secs(5 * 24 * 3600)).await;
    let description = scene.describe().await;
    assert_eq!(scene.open_shards().len(), 2);
    assert!(
        (8..=16).contains(&description.shards().len()),
        "{}",
        description.shards().len()
    );
    let orphans = description.shards().iter().filter(|shard| {
        let listed = |id: &str| {
            description
                .shards()
                .iter()
                .any(|other| other.shard_id() == Some(id))
        };
        shard
            .parent_shard_id()
            .is_some_and(|parent| !listed(parent))
    });
    assert_eq!(
        orphans.count(),
        2,
        "the oldest shards name parents that have left"
    );
}

#[tokio::test(start_paused = true)]
async fn f43_a_shard_that_has_left_the_stream_does_not_exist() {
    let scene = Scene::new(one_shard()).await;
    let parent = scene.only_open_shard();
    assert!(
        scene.emulator.forget_shard(TABLE, &parent).is_err(),
        "it is open"
    );
    scene.emulator.roll_over(TABLE, &parent).unwrap();
    scene.emulator.forget_shard(TABLE, &parent).unwrap();
    let request = scene
        .streams
        .get_shard_iterator()
        .stream_arn(scene.arn())
        .shard_id(&parent);
    let answer = request
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await;
    assert!(
        answer
            .unwrap_err()
            .into_service_error()
            .is_resource_not_found_exception()
    );
}

#[tokio::test(start_paused = true)]
async fn f19_a_shard_has_one_parent_or_none_and_no_two_become_one() {
    let settings = EmulatorSettings {
        initial_shards: 3,
        ..one_shard()
    };
    let scene = Scene::new(settings).await;
    for round in 0..4 {
        let open = scene.open_shards();
        scene
            .emulator
            .split(TABLE, &open[round % open.len()], 2)
            .unwrap();
        scene.emulator.roll_over_all(TABLE).unwrap();
    }
    let description = scene.describe().await;
    let shards = description.shards();
    let roots = shards
        .iter()
        .filter(|shard| shard.parent_shard_id().is_none());
    assert_eq!(roots.count(), 3);
    for shard in shards {
        let Some(parent) = shard.parent_shard_id() else {
            continue;
        };
        let named: Vec<&Shard> = shards
            .iter()
            .filter(|other| other.shard_id() == Some(parent))
            .collect();
        assert_eq!(named.len(), 1, "{parent}");
        assert!(range(named[0]).1.is_some(), "a parent is closed");
    }
    assert_eq!(
        scene.open_shards().len(),
        3 + 4,
        "every split adds one for good"
    );
}
