SELECT last_seen_at
FROM sessions
WHERE
    id_hash = $1 AND site_id = $2 AND conversation_id = $3 AND ended_at IS NULL AND expires_at > $4
    AND last_seen_at >= $5
