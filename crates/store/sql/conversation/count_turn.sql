-- `message_count` counts the places given out: two for each turn, also when its answer comes late or never.
UPDATE conversations
SET turn_count = turn_count + 1, message_count = 2 * (turn_count + 1), updated_at = $3
WHERE id = $1 AND site_id = $2
RETURNING turn_count
