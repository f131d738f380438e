INSERT INTO turns (
    id, site_id, conversation_id, session_id_hash, number, state, message_id, answer_id, idempotency_key_hash,
    body_hash, page_url, user_agent, key_id, client_ip_hash, started_at
)
VALUES ($1, $2, $3, $4, $5, 'answering', $6, $7, $8, $9, $10, $11, $12, $13, $14)
