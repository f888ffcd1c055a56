//! Long lives, where walking all of them would take for ever.

use super::*;
use proptest::prelude::*;

/// How often an event that ends a life is let through, of 256.
const RARE: u8 = 4;

fn ends_a_life(event: Event) -> bool {
    matches!(
        event,
        Event::LeaseLost | Event::LeaveAsked(_) | Event::EndConfirmed
    )
}

/// What the world would answer to whatever is under way, until nothing is.
fn answer(world: &World) -> Option<Event> {
    if let Some(Action::Store(checkpoint)) = world.write {
        return Some(Event::Stored(checkpoint));
    }
    Some(match world.consumer.stage() {
        Stage::Starting | Stage::Processing | Stage::Notifying => Event::Failed,
        Stage::Closing => Event::EndStored,
        Stage::Parting => Event::Parted,
        Stage::Leaving => Event::Departed,
        Stage::Idle | Stage::Pausing | Stage::Confirming | Stage::Over(_) => return None,
    })
}

proptest! {
    #[test]
    fn s6_s7_s8_s11_every_life_of_two_hundred_events_keeps_the_seven_invariants_and_can_be_left_in_six(
        events in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 200), stopped: bool
    ) {
        let mut world = World::new();
        for (index, rare) in events {
            let all = world.events();
            let event = all[index.index(all.len())];
            if rare < RARE || !ends_a_life(event) {
                world = world.step(event);
            }
        }
        // L5: a life ends when it is asked to, whatever it was doing.
        world = world.step(Event::LeaveAsked(if stopped { Leave::Stopped } else { Leave::Asked }));
        let mut answers = 0;
        while let Some(event) = answer(&world) {
            world = world.step(event);
            answers += 1;
            prop_assert!(answers <= 6, "it does not end: {:?}", world.consumer);
        }
        prop_assert!(matches!(world.consumer.stage(), Stage::Over(_)), "{:?}", world.consumer);
    }
}
