//! The program itself, as a person runs it: against the emulator over HTTP, with a real worker beside it.

use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use shardkeeper::{Batch, BoxError, Env, Remedy, Worker, WorkerHandle, each_batch_with};
use shardkeeper_testkit::emulator::{Emulator, EmulatorSettings, Server};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

/// In every item, and never in what the program prints.
const SECRET: &str = "hunter2";
const APPLICATION: &str = "orders-printer";

/// An emulated account behind a port, with a table `orders` whose stream has one shard.
struct Scene {
    env: Env,
    emulator: Emulator,
    endpoint: String,
}

impl Scene {
    async fn new() -> Self {
        let env = Env::production();
        let settings = EmulatorSettings {
            initial_shards: 1,
            ..EmulatorSettings::default()
        };
        let emulator = Emulator::builder().settings(settings).build();
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::bind(emulator.clone(), anywhere).await.unwrap();
        let endpoint = server.endpoint_url();
        drop(env.spawn(server.serve(pending())));
        let scene = Self {
            env,
            emulator,
            endpoint,
        };
        scene.request(
            "CreateTable",
            &json!({
                "TableName": "orders", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
            }),
        );
        scene
    }

    fn request(&self, operation: &str, body: &Value) {
        self.emulator.request(operation, body).unwrap();
    }

    fn put(&self, id: &str) {
        let item = json!({"id": {"S": id}, "password": {"S": SECRET}});
        self.request("PutItem", &json!({"TableName": "orders", "Item": item}));
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let output = Command::new(env!("CARGO_BIN_EXE_shardkeeper"))
            .args(arguments)
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_REGION", "us-east-1")
            .output()
            .await
            .unwrap();
        let said = [text(&output.stdout), text(&output.stderr)].concat();
        assert!(!said.contains(SECRET), "{arguments:?} prints item data");
        output
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat()).await;
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }

    /// Asks until the answer is right; real time, because the program lives in it.
    async fn until(&self, arguments: &[&str], right: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..100 {
            let answer = self.json(arguments).await;
            if right(&answer) {
                return answer;
            }
            self.env.sleep(Duration::from_millis(200)).await;
        }
        panic!(
            "{arguments:?} never said so: {}",
            self.json(arguments).await
        )
    }

    /// A worker that stops its shard while it is sick.
    async fn work(&self, sick: &Arc<AtomicBool>, seen: &Arc<AtomicUsize>) -> WorkerHandle {
        let worker = Worker::builder(APPLICATION)
            .table("orders")
            .aws_config(&self.emulator.sdk_config())
            .build()
            .await
            .unwrap();
        let state = (Arc::clone(sick), Arc::clone(seen));
        worker.spawn(move |_| {
            each_batch_with(state.clone(), async |(sick, seen), batch: Batch| {
                if sick.load(Ordering::Relaxed) {
                    return Err(BoxError::from("sick"));
                }
                seen.fetch_add(batch.len(), Ordering::Relaxed);
                Ok(())
            })
            .on_error(|_| Remedy::Stop)
        })
    }
}

/// A row of the lease table, by the kind of it.
fn row(rows: &Value, entity: &str) -> Value {
    let rows = rows["Items"].as_array().unwrap();
    let found = rows.iter().find(|row| row["entityType"]["S"] == entity);
    found.unwrap_or_else(|| panic!("no {entity}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_stopped_because_its_table_was_set_back_goes_on_above_every_token() {
    let scene = Scene::new().await;
    let seen = Arc::default();
    let well = Arc::new(AtomicBool::new(false));
    let worker = scene.work(&well, &seen).await;
    scene.put("1");
    let leases = ["leases", "--table", APPLICATION];
    let resume = ["leases", "--table", APPLICATION, "--resume"];
    scene
        .until(&leases, |said| said["leases"][0]["epoch"] == 2)
        .await;
    let refused = scene.run(&resume).await;
    assert!(!refused.status.success(), "nothing is stopped");
    let scan = || {
        let scan = json!({"TableName": APPLICATION});
        scene.emulator.request("Scan", &scan).unwrap()
    };
    let mut group = row(&scan(), "SHARDKEEPER_GROUP");
    group["stoppedWhy"] = json!({"S": "restored"});
    group["epochFloor"] = json!({"N": "40"});
    let mut lease = row(&scan(), "LEASE");
    lease["epoch"] = json!({"N": "1"});
    for item in [group, lease] {
        scene.request("PutItem", &json!({"TableName": APPLICATION, "Item": item}));
    }
    let ended = worker.join().await.unwrap_err();
    assert!(ended.to_string().contains("restored"), "{ended}");
    let said = text(&scene.run(&leases).await.stdout);
    assert!(said.contains("stopped:"), "{said}");

    let resumed = scene.run(&resume).await;
    assert!(resumed.status.success(), "{resumed:?}");
    let worker = scene.work(&well, &seen).await;
    scene.put("2");
    let after = scene
        .until(&leases, |said| said["leases"][0]["epoch"] == 42)
        .await;
    assert_eq!(after["leases"].as_array().unwrap().len(), 1);
    worker.shutdown().await.unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_shard_is_seen_explained_and_set_going_again() {
    let scene = Scene::new().await;
    let (sick, seen) = (Arc::new(AtomicBool::new(true)), Arc::default());
    scene.put("1");
    let worker = scene.work(&sick, &seen).await;
    let leases = ["leases", "--table", APPLICATION];
    let state = |said: &Value| said["leases"][0]["state"].clone();
    let answer = scene.until(&leases, |said| state(said) == "stopped").await;
    let shard = answer["leases"][0]["shard"].as_str().unwrap();

    let doctor = ["doctor", "--table", "orders", "--app", APPLICATION];
    let told = scene.run(&doctor).await;
    assert!(!told.status.success(), "{told:?}");
    let told = text(&told.stdout);
    assert!(told.contains("--clear-stopped"), "{told}");

    sick.store(false, Ordering::Relaxed);
    let clear = ["checkpoint", "--app", APPLICATION, "--clear-stopped", shard];
    let cleared = scene.run(&clear).await;
    assert!(cleared.status.success(), "{cleared:?}");
    scene.until(&leases, |said| state(said) == "reading").await;
    let lag = ["lag", "--table", APPLICATION];
    let caught_up = |said: &Value| said["shards"][0]["behind"] == "caught up";
    scene.until(&lag, caught_up).await;
    assert_eq!(seen.load(Ordering::Relaxed), 1);

    let again = scene.run(&clear).await;
    assert!(text(&again.stderr).contains("not stopped"), "{again:?}");
    let well = scene.run(&doctor).await;
    assert!(well.status.success(), "{well:?}");
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_given_back_to_kcl_when_nobody_lives_and_not_before_it_is_asked_for() {
    let scene = Scene::new().await;
    let (well, seen) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let worker = scene.work(&well, &seen).await;
    scene.put("1");
    let leases = ["leases", "--table", APPLICATION];
    let acknowledged = |said: &Value| said["leases"][0]["checkpoint"] != "TRIM_HORIZON";
    let answer = scene.until(&leases, acknowledged).await;
    let shard = answer["leases"][0]["shard"].as_str().unwrap();
    let back = ["leases", "--table", APPLICATION, "--give-back"];
    let yes = [&back[..], &["--yes"]].concat();
    let refused = scene.run(&yes).await;
    assert!(text(&refused.stderr).contains("is alive"), "{refused:?}");
    worker.shutdown().await.unwrap();

    let scan = || {
        let scan = json!({"TableName": APPLICATION});
        scene.emulator.request("Scan", &scan).unwrap()
    };
    let before = scan();
    let shown = scene.run(&back).await;
    let said = text(&shown.stdout);
    assert!(shown.status.success() && said.contains("--yes"), "{said}");
    assert_eq!(scan(), before, "nothing was changed");

    let given = scene.run(&yes).await;
    assert!(text(&given.stdout).contains("given back"), "{given:?}");
    let rows = scan()["Items"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    assert_eq!(rows[0]["leaseKey"]["S"], shard);
    assert_eq!(
        rows[0]["checkpoint"]["S"],
        answer["leases"][0]["checkpoint"]
    );
    assert!(rows[0].get("epoch").is_none(), "{rows}");
    let again = scene.run(&yes).await;
    assert!(!again.status.success(), "nothing of ours is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_are_listed_with_their_parents_and_lag_has_an_age() {
    let scene = Scene::new().await;
    let (sick, seen) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let worker = scene.work(&sick, &seen).await;
    let leases = ["leases", "--table", APPLICATION];
    let owned = |said: &Value| said["leases"][0]["state"] == "reading";
    scene.until(&leases, owned).await;
    worker.shutdown().await.unwrap();

    scene.put("1");
    scene.emulator.roll_over_all("orders").unwrap();
    let listed = scene.json(&["shards", "--table", "orders"]).await;
    let shards = listed["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 2);
    let child = shards.iter().find(|shard| shard["open"] == true).unwrap();
    assert!(!child["parent"].is_null());
    let lag = scene.json(&["lag", "--table", APPLICATION]).await;
    let (late, said) = (&lag["shards"][0], text(&scene.run(&leases).await.stdout));
    assert!(
        late["behind"] == "late" && late["behind_ms"].is_u64(),
        "{lag}"
    );
    assert!(
        late["listed"] == "closed" && said.contains("free"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named_with_what_to_do() {
    let scene = Scene::new().await;
    for arguments in [
        &["leases", "--table", "nobody"][..],
        &["shards", "--table", "nobody"],
        &["shards", "--stream-arn", "orders"],
        &["checkpoint", "--table", "orders", "shardId-1"],
    ] {
        let output = scene.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        let said = text(&output.stderr);
        assert!(said.starts_with("error: "), "{arguments:?}: {said}");
    }
    let told = scene
        .run(&["doctor", "--table", "orders", "--app", "nobody"])
        .await;
    assert!(told.status.success(), "the first worker makes it: {told:?}");
    assert!(text(&told.stdout).contains("create-table"), "{told:?}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_emulator_says_where_it_listens_and_ends_in_order_on_both_signals() {
    for signal in ["-TERM", "-INT"] {
        let mut emulator = Command::new(env!("CARGO_BIN_EXE_shardkeeper"))
            .args(["emulator", "--port", "0"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(emulator.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).await.unwrap();
        assert!(line.starts_with("listening on http://127.0.0.1:"), "{line}");

        let pid = emulator.id().unwrap().to_string();
        let kill = Command::new("kill").args([signal, &pid]).status();
        assert!(kill.await.unwrap().success());
        let env = Env::production();
        let ended = env.within(Duration::from_secs(10), emulator.wait());
        let status = ended.await.expect("it ends within seconds").unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
        let mut rest = String::new();
        said.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "", "one line and no more");
    }
}
