//! The suite that every backend of `Store` passes: plain async functions over `Arc<dyn Store>`.
//!
//! [`contract_tests!`](crate::contract_tests) turns them into tests of one backend. What needs a second start, like
//! durability, takes the store before and the one after as two functions.

#![expect(clippy::unwrap_used, reason = "this is a test suite")]

mod durability;
mod idempotency;
mod late;
mod pages;
mod sessions;
mod turns;
mod visit;

pub use self::durability::*;
pub use self::idempotency::*;
pub use self::late::*;
pub use self::pages::*;
pub use self::sessions::*;
pub use self::turns::*;
pub use self::visit::*;

/// Makes a test of every function of the contract. `$fresh` is an async function that gives an empty store and
/// whatever must live as long as it.
#[macro_export]
macro_rules! contract_tests {
    ($fresh:path) => {
        $crate::contract_tests! { $fresh =>
            a_session_is_found_as_it_was_created
            a_session_is_found_on_its_own_site_only
            a_touched_session_remembers_when_and_that_the_visitor_came_back
            a_rotated_secret_becomes_the_previous_one
            the_same_rotation_twice_at_once_keeps_the_previous_secret
            a_session_ends_once
            an_ended_session_is_not_touched
            a_turn_is_found_by_its_number_and_as_the_latest
            a_second_turn_waits_for_the_answer_to_the_first
            of_many_turns_at_once_one_is_opened
            a_session_that_is_gone_opens_no_turn
            a_session_that_rested_too_long_opens_no_turn
            opening_a_turn_notes_the_use_of_its_session_now_and_then
            a_foreign_session_opens_no_turn
            an_answer_is_recorded_once
            a_late_answer_of_another_site_or_conversation_changes_nothing
            a_late_answer_completes_a_turn_that_failed
            a_late_answer_stands_in_its_turns_place_after_later_turns
            a_late_answer_replaces_what_stood_of_an_interrupted_one
            of_many_late_answers_at_once_one_is_recorded
            a_turn_that_was_answered_or_stopped_takes_no_late_answer
            a_late_answer_comes_before_the_end_that_its_owner_could_not_record
            a_late_answer_from_elsewhere_is_not_taken
            a_failed_turn_has_no_answer
            a_turn_cannot_end_as_answering
            a_checkpoint_outlives_its_owner
            text_with_nul_and_every_script_survives
            the_same_key_and_body_is_the_same_turn
            the_same_key_with_another_body_is_refused
            a_turn_that_may_not_open_finds_the_earlier_one_of_its_key
            a_key_whose_question_was_never_sent_is_free_again
            twenty_duplicates_at_once_are_one_turn
            the_same_key_in_another_conversation_is_another_turn
            pages_hold_every_message_once_and_in_order
            a_page_boundary_holds_when_messages_arrive_in_between
            a_page_that_fits_has_no_cursor
            a_running_turn_shows_its_message_alone
            a_foreign_conversation_shows_nothing
            recall_gives_the_latest_messages_before_a_turn
            recall_has_what_stands_of_interrupted_answers_and_nothing_of_failed_ones
            a_closed_store_says_so
            a_healthy_store_passes_its_check
        }
    };
    ($fresh:path => $($name:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (store, _kept) = $fresh().await;
                $crate::contract::$name(store).await;
            }
        )+
    };
}
