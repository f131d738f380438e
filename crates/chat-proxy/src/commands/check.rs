//! `chat-proxy check`: what the configuration means, without starting anything.

use std::process::ExitCode;

use crate::commands::print;
use crate::config::describe::describe;
use crate::config::{Flags, Settings, Sources};

pub(super) fn run(flags: Flags) -> ExitCode {
    match Settings::load(&Sources::of_process(flags)) {
        Ok((settings, notices)) => {
            print(&describe(&settings));
            for notice in notices {
                print(&format!("\n{notice}\n"));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            print(&format!("{error}\n"));
            ExitCode::FAILURE
        }
    }
}
