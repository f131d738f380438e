INSERT INTO conversations (id, site_id, visitor_id, turn_count, message_count, created_at, updated_at)
VALUES ($1, $2, $3, 0, 0, $4, $4)
