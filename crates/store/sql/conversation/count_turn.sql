UPDATE conversations
SET turn_count = turn_count + 1, message_count = message_count + 1, updated_at = $3
WHERE id = $1 AND site_id = $2
RETURNING turn_count, message_count
