UPDATE turns
SET
    state = $4, ended_at = $5, partial_answer = NULL,
    idempotency_key_hash = CASE WHEN $6 = 1 THEN NULL ELSE idempotency_key_hash END
WHERE id = $1 AND conversation_id = $2 AND site_id = $3 AND state = 'answering'
RETURNING number, answer_id
