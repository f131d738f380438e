SELECT id
FROM turns
WHERE conversation_id = $1 AND state = 'answering'
