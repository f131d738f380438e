SELECT id_hash
FROM sessions
WHERE id_hash = $1 AND site_id = $2 AND conversation_id = $3 AND ended_at IS NULL AND expires_at > $4
