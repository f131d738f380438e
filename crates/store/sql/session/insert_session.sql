INSERT INTO sessions (
    id_hash, site_id, origin, visitor_id, is_returning, conversation_id, resume_hash, resume_rotated_at, created_at,
    last_seen_at, expires_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8, $9)
