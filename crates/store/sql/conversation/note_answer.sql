-- A turn of an earlier release gave out no place for its answer. From now on it counts as given out.
UPDATE conversations
SET message_count = CASE WHEN message_count < $4 THEN $4 ELSE message_count END, updated_at = $3
WHERE id = $1 AND site_id = $2
