-- One event per turn: a late answer changes how the turn ended, not what was seen before.
INSERT INTO usage_events (
    turn_id, site_id, occurred_at, outcome, code, message_chars, answer_chars, deltas, first_piece_ms, duration_ms
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (turn_id) DO UPDATE
SET
    occurred_at = excluded.occurred_at, outcome = excluded.outcome, code = excluded.code,
    answer_chars = excluded.answer_chars, duration_ms = excluded.duration_ms
