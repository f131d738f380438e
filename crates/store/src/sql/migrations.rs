//! The steps that make the schema, embedded in the binary. Forward only.
//!
//! Each step ends with `PRAGMA user_version = <its number>`, inside its own transaction.

use super::db::{Connection, Error};

/// Number, name and text of every step, in order.
const STEPS: [(i64, &str, &str); 1] =
    [(1, "create_records", include_str!("../../migrations/sqlite/0001_create_records.sql"))];

/// The number of the last step.
pub(super) const LATEST: i64 = STEPS[STEPS.len() - 1].0;

/// Runs the steps that a database at `version` still lacks, each in a transaction of its own.
pub(super) fn run(connection: &mut Connection, version: i64) -> Result<(), Error> {
    for (_, _, sql) in STEPS.iter().filter(|(number, ..)| *number > version) {
        connection.run_all(&format!("BEGIN IMMEDIATE;\n{sql}\nCOMMIT;"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_step_and_sets_its_number() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let named: Vec<_> = STEPS.iter().map(|(number, name, _)| format!("{number:04}_{name}.sql")).collect();
        assert_eq!(files, named);
        for (number, name, sql) in STEPS {
            assert!(sql.trim_end().ends_with(&format!("PRAGMA user_version = {number};")), "{name}");
        }
    }
}
