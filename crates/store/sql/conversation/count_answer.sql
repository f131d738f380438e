UPDATE conversations
SET message_count = message_count + 1, updated_at = $3
WHERE id = $1 AND site_id = $2
RETURNING message_count
