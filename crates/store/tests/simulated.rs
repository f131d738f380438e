//! The records that the simulation of turns runs over, held to the contract of every backend.

use std::sync::Arc;

use chat_proxy_core::store::Store;

#[path = "../../core/tests/simulation/records.rs"]
#[allow(dead_code, reason = "the simulation also looks into them")]
mod records;

chat_proxy_store::contract_tests!(fresh);

#[expect(clippy::unused_async, reason = "other backends need time to open")]
async fn fresh() -> (Arc<dyn Store>, ()) {
    (Arc::<records::Records>::default(), ())
}
