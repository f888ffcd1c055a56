//! A worker inside a larger service: `spawn` leaves signals to you, and the handle says how the worker is.
//!
//! The service here answers health checks on port 8080. On SIGTERM or Ctrl-C it stops answering, then lets the worker
//! finish the batches in hand, store checkpoints and hand its shards to the other workers.
//!
//!     cargo run --example graceful_shutdown orders     # and: curl -i http://127.0.0.1:8080

use shardkeeper::{Batch, BoxError, Health, Worker, WorkerHandle, each_batch};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let table = std::env::args().nth(1).unwrap_or("orders".into());
    let worker = Worker::builder("orders-service").table(table);
    let handle = worker.build().await?.spawn(|_| {
        each_batch(async |batch: Batch| {
            println!("{} records of {}", batch.len(), batch.shard());
            Ok(())
        })
    });

    let mut terminate = signal(SignalKind::terminate())?;
    let checks = TcpListener::bind("127.0.0.1:8080").await?;
    loop {
        tokio::select! {
            biased;
            _ = terminate.recv() => break,
            _ = tokio::signal::ctrl_c() => break,
            check = checks.accept() => answer(check?.0, &handle).await,
        }
    }
    println!("leaving");
    handle.shutdown().await?;
    Ok(())
}

async fn answer(mut caller: TcpStream, handle: &WorkerHandle) {
    let (status, body) = match handle.health() {
        Health::Well => ("200 OK", "well".to_owned()),
        Health::Starting => ("503 Service Unavailable", "starting".to_owned()),
        Health::Troubled(why) => ("200 OK", format!("troubled: {why}")),
        _ => ("500 Internal Server Error", "ended".to_owned()),
    };
    let shards = handle.status().shards;
    let ours = shards.iter().filter(|shard| shard.ours).count();
    let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n{body}, shards: {ours}\n");
    // A caller who has gone away does not care.
    let _ = caller.write_all(answer.as_bytes()).await;
}
