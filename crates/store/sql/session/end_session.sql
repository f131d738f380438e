UPDATE sessions
SET ended_at = $3
WHERE id_hash = $1 AND site_id = $2 AND ended_at IS NULL
