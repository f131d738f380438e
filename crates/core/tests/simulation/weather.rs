//! What happens to a simulated world from outside: stores and agents go away and come back, processes are killed and
//! restarted, the wall clock is stepped.

use std::sync::Arc;
use std::time::Duration;

use crate::host::Host;
use crate::world::note;

/// An hour, by which clocks are stepped.
const HOUR_MS: i64 = 60 * 60 * 1000;

/// A few bad things, one after the other.
pub(crate) async fn blow(host: Arc<Host>) {
    let world = &host.world;
    for _ in 0..world.below(5) {
        world.pause(if world.chance(50) { 200 } else { 6_000 }).await;
        match world.below(20) {
            0..=4 => {
                note!(world, "the store goes away");
                world.set_store_away(true);
                world.pause(if world.chance(70) { 1_000 } else { 20_000 }).await;
                world.set_store_away(false);
                note!(world, "the store is back");
            }
            5..=8 => {
                note!(world, "the agents go away");
                world.set_agent_away(true);
                world.pause(5_000).await;
                world.set_agent_away(false);
            }
            9..=12 => {
                let process = host.process().await;
                note!(world, "p{} is killed", process.number);
                process.dead.cancel();
            }
            13..=16 => {
                let process = host.process().await;
                let drain = Duration::from_millis(u64::from(world.below(10_000)));
                process.end(world, drain).await;
            }
            17..=18 => {
                note!(world, "the clock is stepped");
                host.clock.advance_ms(if world.chance(50) { HOUR_MS } else { -HOUR_MS });
            }
            _ => host.process().await.turns.forget_ended(),
        }
    }
}
