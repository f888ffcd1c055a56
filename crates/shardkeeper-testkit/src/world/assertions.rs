//! What a test says of a run.

use shardkeeper::ShardId;

use super::run::Run;

/// Lines of the story in the message of a failure.
const TOLD: usize = 20;

impl Run {
    /// Every record that could be read was given to the processor, once or more.
    ///
    /// # Panics
    /// With the story of the first shard in which one was not.
    #[track_caller]
    pub fn assert_each_delivered_at_least_once(&self) -> &Self {
        let delivered = self.delivered();
        let missing: Vec<_> = self
            .readable()
            .filter(|(number, _)| !delivered.contains(number))
            .collect();
        if let Some((number, written)) = missing.first() {
            let what = format!(
                "{} of {} records were never delivered, {number} of shard {} first",
                missing.len(),
                self.written(),
                written.shard
            );
            self.fail(&what, &written.shard);
        }
        self
    }

    /// The changes of each item were delivered in the order in which they were made. Repetitions may come later.
    ///
    /// # Panics
    /// With the story of the shard of the first that was late.
    #[track_caller]
    pub fn assert_in_order_per_key(&self) -> &Self {
        if let Some(late) = self.out_of_order().first() {
            let what = format!(
                "record {} of shard {} was delivered after a later change of its item",
                late.sequence_number, late.shard
            );
            self.fail(&what, &late.shard);
        }
        self
    }

    /// Everything was delivered *and acknowledged* in time; nothing is gone, skipped or stopped. A processor that fails
    /// for ever, waits for ever or never acknowledges is found here.
    ///
    /// # Panics
    /// With the story of the first shard that lacks something.
    #[track_caller]
    pub fn assert_nothing_lost(&self) -> &Self {
        if let Some(loss) = self.losses.first() {
            let what = format!("records after {} are gone: {:?}", loss.from, loss.why);
            self.fail(&what, &loss.shard);
        }
        if let Some(number) = self.skipped.first() {
            let shard = self.written.get(number).map(|written| &written.shard);
            let what = format!("the processor skipped record {number}");
            if let Some(shard) = shard {
                self.fail(&what, shard);
            }
        }
        if let Some(shard) = self.stopped.first() {
            self.fail(&format!("shard {shard} is stopped"), shard);
        }
        if let Some(shard) = self.unsettled.first() {
            let what = format!(
                "{} shards were not finished after {:?} of virtual time, {shard} first",
                self.unsettled.len(),
                self.took()
            );
            self.fail(&what, shard);
        }
        self.assert_each_delivered_at_least_once()
    }

    #[track_caller]
    fn fail(&self, what: &str, shard: &ShardId) -> ! {
        panic!(
            "seed {}: {what}.\nWhat happened to it last:\n{}",
            self.seed,
            self.story_of(shard, TOLD)
        );
    }
}
