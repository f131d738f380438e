-- The comparison makes a repeated rotation harmless: the previous secret is not overwritten by the current one.
UPDATE sessions
SET previous_resume_hash = resume_hash, resume_hash = $4, resume_rotated_at = $3
WHERE id_hash = $1 AND site_id = $2 AND ended_at IS NULL AND resume_hash <> $4
