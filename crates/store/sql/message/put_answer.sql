-- A late answer stands in the place of what came before it.
INSERT INTO messages (conversation_id, number, id, turn_id, turn_number, role, content, key_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (turn_id, role) DO UPDATE
SET content = excluded.content, key_id = excluded.key_id, created_at = excluded.created_at
