//! Typed access to the columns of a row. A value that does not fit its type is damage, named by its column.

use chat_proxy_core::keys::Digest;
use chat_proxy_core::store::StoreError;
use chat_proxy_core::{Timestamp, turn::TurnState};

use super::db::{FromColumn, Row};

pub(super) struct Fields<'row>(pub(super) &'row Row);

impl Fields<'_> {
    pub(super) fn number<N: TryFrom<i64>>(&self, column: &'static str) -> Result<N, StoreError> {
        N::try_from(self.get::<i64>(column)?).map_err(|_| StoreError::Damaged(column))
    }

    pub(super) fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        match self.get::<i64>(column)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(StoreError::Damaged(column)),
        }
    }

    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.get(column).map(Timestamp)
    }

    pub(super) fn optional_time(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp))
    }

    pub(super) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.get::<&str>(column).map(str::to_owned)
    }

    /// A text that must parse as `T`.
    pub(super) fn parsed<T>(
        &self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        parse(self.get(column)?).ok_or(StoreError::Damaged(column))
    }

    pub(super) fn state(&self) -> Result<TurnState, StoreError> {
        self.parsed("state", TurnState::parse)
    }

    pub(super) fn digest(&self, column: &'static str) -> Result<Digest, StoreError> {
        self.optional_digest(column)?.ok_or(StoreError::Damaged(column))
    }

    pub(super) fn optional_digest(&self, column: &'static str) -> Result<Option<Digest>, StoreError> {
        let bytes: Option<&[u8]> = self.get(column)?;
        bytes.map(|bytes| bytes.try_into().map_err(|_| StoreError::Damaged(column))).transpose()
    }

    /// What a visitor or the agent wrote.
    pub(super) fn words(&self, column: &'static str, key_column: &'static str) -> Result<String, StoreError> {
        self.optional_words(column, key_column)?.ok_or(StoreError::Damaged(column))
    }

    /// The same where an outer join may have found none.
    pub(super) fn optional_words(
        &self,
        column: &'static str,
        key_column: &'static str,
    ) -> Result<Option<String>, StoreError> {
        let Some(bytes) = self.get::<Option<&[u8]>>(column)? else { return Ok(None) };
        if self.get::<i64>(key_column)? != NOT_SEALED {
            return Err(StoreError::Damaged(key_column));
        }
        String::from_utf8(bytes.to_owned()).map(Some).map_err(|_| StoreError::Damaged(column))
    }

    fn get<'row, T: FromColumn<'row>>(&'row self, column: &'static str) -> Result<T, StoreError> {
        self.0.get(column).ok_or(StoreError::Damaged(column))
    }
}

/// The key id of words that are stored as they are.
pub(super) const NOT_SEALED: i64 = 0;
