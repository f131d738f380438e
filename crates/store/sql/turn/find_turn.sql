SELECT
    t.id, t.number, t.state, t.message_id, t.answer_id, t.body_hash,
    m.content AS message, m.key_id AS message_key_id, a.content AS answer, a.key_id AS answer_key_id
FROM turns AS t
JOIN messages AS m ON m.turn_id = t.id AND m.role = 'user'
LEFT JOIN messages AS a ON a.turn_id = t.id AND a.role = 'assistant'
WHERE t.conversation_id = $1 AND t.number = $2
