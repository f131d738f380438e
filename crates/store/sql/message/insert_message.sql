INSERT INTO messages (conversation_id, number, id, turn_id, turn_number, role, content, key_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
