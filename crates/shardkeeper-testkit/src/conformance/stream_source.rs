//! The contract of [`StreamSource`](shardkeeper_core::ports::StreamSource).

mod lifecycle;
mod lineage;
mod listing;
#[cfg(test)]
mod mistakes;
mod positions;
mod reading;
mod scene;
mod stage;

use std::future::Future;
use std::pin::Pin;

use shardkeeper_core::record::Record;

pub use self::scene::{Capability, Scene, View};
use self::stage::Stage;
use super::{Checked, Report, Trouble, Verdict, checks, ensure, same, sentence};

type Check = fn(Stage) -> Pin<Box<dyn Future<Output = Result<(), Trouble>>>>;

/// Makes every check, each on a fresh scene. Scenes of other views than both images are made only for
/// checks that need [`Capability::Views`].
pub async fn check_all<S: Scene + 'static>(
    make: impl AsyncFn(View) -> Result<S, Trouble>,
) -> Report<Capability> {
    let all = [
        listing::all(),
        reading::all(),
        positions::all(),
        lineage::all(),
        lifecycle::all(),
    ];
    let mut checks = Vec::new();
    for (name, needs, check) in all.concat() {
        let rule = sentence(name);
        let verdict = verdict(&make, View::NewAndOldImages, needs, check).await;
        checks.push(Checked {
            rule,
            needs,
            verdict,
        });
    }
    for (view, check) in reading::of_views() {
        let rule = format!(
            "records of the view {} carry what it names and no more",
            view.name()
        );
        let verdict = verdict(&make, view, Capability::Views, check).await;
        checks.push(Checked {
            rule,
            needs: Capability::Views,
            verdict,
        });
    }
    Report { checks }
}

async fn verdict<S: Scene + 'static>(
    make: &impl AsyncFn(View) -> Result<S, Trouble>,
    view: View,
    needs: Capability,
    check: Check,
) -> Verdict {
    let broken = |why: Trouble| Verdict::Failed(format!("no scene could be made: {why}"));
    let scene = match make(View::NewAndOldImages).await {
        Ok(scene) if needs != Capability::Everywhere && !scene.capabilities().contains(&needs) => {
            return Verdict::Lacking;
        }
        Ok(scene) => scene,
        Err(why) => return broken(why),
    };
    let scene = match view {
        View::NewAndOldImages => scene,
        other => match make(other).await {
            Ok(scene) => scene,
            Err(why) => return broken(why),
        },
    };
    let source = scene.source();
    let result = match source.latest_stream(scene.table()).await {
        Ok(stream) => {
            check(Stage {
                scene: Box::new(scene),
                source,
                stream,
            })
            .await
        }
        Err(why) => return broken(why.into()),
    };
    match result {
        Ok(()) => Verdict::Passed,
        Err(why) => Verdict::Failed(why.to_string()),
    }
}

/// The item of an image: its key and its number.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
struct Item {
    id: String,
    n: u64,
}

fn sequence_numbers(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|record| record.sequence_number().to_string())
        .collect()
}
