UPDATE sessions
SET last_seen_at = $3, is_returning = CASE WHEN $4 = 1 THEN 1 ELSE is_returning END
WHERE id_hash = $1 AND site_id = $2 AND ended_at IS NULL
