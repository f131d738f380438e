SELECT
    turns.id, turns.conversation_id, turns.site_id, turns.started_at, turns.partial_answer, turns.key_id,
    messages.content AS message, messages.key_id AS message_key_id
FROM turns
JOIN messages ON messages.turn_id = turns.id AND messages.role = 'user'
WHERE turns.state = 'answering'
