SELECT
    site_id, origin, visitor_id, is_returning, conversation_id, resume_hash, previous_resume_hash, resume_rotated_at,
    created_at, last_seen_at, expires_at, ended_at
FROM sessions
WHERE id_hash = $1 AND site_id = $2
